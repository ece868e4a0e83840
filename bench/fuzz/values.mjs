// SPDX-License-Identifier: Apache-2.0
// Arguments as recipes: arrays of plain data, so that one that ended the process can be read in a log and made again.
export const DTYPES = ['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'uint8', 'bool'];
const NUMBERS = [
  0,
  -0,
  1,
  -1,
  2,
  3,
  0.5,
  -2,
  7,
  NaN,
  Infinity,
  -Infinity,
  1e-300,
  1e308,
  255,
  256,
  65536,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  2 ** 62,
];
const WORDS = [
  '',
  'x',
  'mean',
  'sum',
  'none',
  'same',
  'reflect',
  'nearest',
  'bilinear',
  'max',
  'min',
  'tanh',
  'fanIn',
  'cpu',
  'cuda',
  'ij,jk->ik',
  'ii->i',
  'constructor',
  '__proto__',
  'a'.repeat(300),
  '\u0000\ud800',
  ...DTYPES,
];
const ARRAYS = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'DataView',
  'ArrayBuffer',
];
const OPERANDS = new RegExp(
  '^(x|a|b|c|y|q|v|x1|x2|input|self|other|left|right|tensor|target|weight|bias|mask|index|indices|src|values?|scores|batch\\w*|' +
    'mat\\w*|vec\\w*|anchor|positive|negative|mean|variance|end|grid|images?|labels|mu|grad\\w*|boundaries|sorted\\w*|log\\w*|' +
    'running\\w*|predictions|condition|loss\\w*|outputs?|inputs?)$',
);
const MODULES = ['linear', 'convolution', 'norm', 'nested', 'lazy', 'none'];
const FUNCTIONS = [
  'identity',
  'square',
  'throws',
  'nothing',
  'nan',
  'disposes',
  'captures',
  'promise',
  'loss',
  'count',
];
// Each makes one object that no program should pass; those with code of their own run lenode in it, or throw.
const hostile = (L) => ({
  object: () => ({}),
  symbol: () => Symbol('hostile'),
  bigint: () => 2n ** 65n,
  small: () => 1n,
  cyclic: () => {
    const a = [1];
    a.push(a);
    return a;
  },
  sparse: () => Object.assign([], { length: 5 }),
  long: () => Object.assign([], { length: 100_000 }),
  ragged: () => [[1, 2], [3]],
  deep: () => Array.from({ length: 3000 }).reduce((inner) => [inner], 1),
  valueOf: () => ({ valueOf: () => (L.synchronizeSync(), L.ones([2]).add(1), 2) }),
  disposing: () => ({
    valueOf: () => (L.collectGarbage?.(), L.emptyCache(), 1),
    [Symbol.iterator]: () => [1, 2][Symbol.iterator](),
  }),
  getter: () => ({
    get length() {
      throw new Hostile();
    },
    get dim() {
      throw new Hostile();
    },
    get shape() {
      throw new Hostile();
    },
  }),
  proxy: () =>
    new Proxy(
      {},
      {
        get: () => {
          throw new Hostile();
        },
        has: () => {
          throw new Hostile();
        },
        ownKeys: () => {
          throw new Hostile();
        },
      },
    ),
  eager: () =>
    new Proxy([], { get: (t, k) => (k === 'length' ? 3 : typeof k === 'string' ? L.ones([1]) : Reflect.get(t, k)) }),
  revoked: () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  shrinking: () => {
    const a = [1, 2, 3];
    Object.defineProperty(a, 1, { get: () => ((a.length = 1), 1) });
    return a;
  },
  fake: () =>
    Object.assign(Object.create(L.Tensor.prototype), {
      handle: 3,
      shape: [2, 2],
      strides: [2, 1],
      dtype: 'float32',
      requiresGrad: false,
    }),
  bare: () => Object.create(L.Tensor.prototype),
  date: () => new Date(NaN),
  map: () => new Map([['a', L.ones([1])]]),
  set: () => new Set([1]),
  endless: () => ({ length: Infinity }),
  null: () => Object.create(null),
  thenable: () => ({ then: (f) => f(1) }),
  image: () =>
    new L.data.Image(
      Uint8Array.from({ length: 60 }, (_, i) => i * 4),
      3,
      4,
      5,
    ),
  dataset: () => new L.TensorDataset(L.ones([6, 3]), L.zeros([6], { dtype: 'int64' })),
  generator: () => new L.data.Generator(3),
  device: () => L.device('cpu'),
});

/** What hostile objects throw: their own error may pass through the library. */
export class Hostile extends Error {}

/** Makes recipes. */
export class Recipes {
  constructor(random, L) {
    this.random = random;
    this.names = Object.keys(hostile(L));
    this.renew();
  }

  /** A theme for the next call: its operands fit each other more often than chance would have it. */
  renew() {
    const r = this.random;
    const size = () => r.pick([1, 1, 2, 2, 3, 4, 5, 7, 8, 9, 16, 17, r.oneIn(4) ? 0 : 6, r.oneIn(6) ? 33 : 3]);
    const rank = r.pick([0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5, r.pick([6, 7, 8])]);
    this.shape = Array.from({ length: rank }, size);
    while (this.shape.reduce((a, b) => a * b, 1) > 20_000) this.shape[r.below(rank)] = 1;
    this.channels = this.shape[1] ?? size();
    this.dtype = r.oneIn(2) ? 'float32' : r.pick(DTYPES);
    this.size = size;
  }

  value(hint = '') {
    const r = this.random;
    if (r.oneIn(14)) return this.foreign();
    if (/options/i.test(hint)) return r.oneIn(3) ? ['options', {}] : ['u'];
    if (OPERANDS.test(hint) && !r.oneIn(5))
      return /^(index|indices|target|labels|mask|condition)$/.test(hint) ? this.indices(hint) : this.tensor(hint);
    if (/^(tensors|arrays|rest|matrices)$/.test(hint))
      return r.oneIn(2) ? this.tensor() : ['array', [this.tensor(), this.tensor()]];
    if (
      /^(dims?\d?|axis|dim0|dim1|start|k|diagonal|offset|n|times|shifts|repeats|sections|chunks|count|groups)$/.test(
        hint,
      ) &&
      !r.oneIn(5)
    )
      return r.oneIn(3) ? this.integers() : ['n', String(r.pick([0, 1, -1, 2, -2, 3]))];
    if (/(Size|Shape|shape|size|padding|pad|stride|kernel\w*|factor|degrees)$/.test(hint) && !r.oneIn(5))
      return r.oneIn(2) ? this.integers() : ['n', String(r.pick([1, 2, 3, 0, 4]))];
    if (/(Channels|Features|num\w+|embedding\w*|hidden\w*)$/.test(hint) && !r.oneIn(4))
      return ['n', String(r.pick([this.channels, 1, 2, 3, 4]))];
    if (/^(params|parameters)$/.test(hint) && !r.oneIn(5)) return ['params', r.below(4)];
    if (/^(model|module|layer|net)$/.test(hint) && !r.oneIn(5)) return ['module', r.pick(MODULES)];
    if (/^optimizer$/.test(hint) && !r.oneIn(5)) return ['optimizer', r.pick(['SGD', 'Adam', 'AdamW', 'RMSprop'])];
    if (/^(f|fn|body|forward|closure|\w+Fn|lrLambda|\w*[fF]unction|callback|distance)$/.test(hint) && !r.oneIn(5))
      return ['function', r.pick(FUNCTIONS)];
    if (/^(image|picture)$/.test(hint) && r.oneIn(2)) return ['hostile', 'image'];
    if (/^(dataset|data)$/.test(hint) && r.oneIn(2)) return ['hostile', 'dataset'];
    switch (r.below(8)) {
      case 0:
      case 1:
      case 2:
        return this.tensor();
      case 3:
        return this.number();
      case 4:
        return this.integers();
      case 5:
        return ['options', {}];
      case 6:
        return ['array', Array.from({ length: r.below(4) }, () => (r.oneIn(2) ? this.tensor() : this.number()))];
      default:
        return this.foreign();
    }
  }

  number() {
    return ['n', String(this.random.oneIn(2) ? this.random.below(5) : this.text(this.random.pick(NUMBERS)))];
  }

  text(x) {
    return Object.is(x, -0) ? '-0' : String(x);
  }

  integers() {
    const r = this.random;
    if (r.oneIn(4)) return ['array', this.shape.map((n) => ['n', String(n)])];
    return [
      'array',
      Array.from({ length: r.pick([0, 1, 2, 2, 3, 4, 6]) }, () =>
        r.oneIn(15) ? this.number() : ['n', String(r.pick([0, 1, 1, 2, 2, 3, -1, this.size()]))],
      ),
    ];
  }

  foreign() {
    const r = this.random;
    switch (r.below(10)) {
      case 0:
        return ['u'];
      case 1:
        return ['null'];
      case 2:
        return ['b', r.oneIn(2)];
      case 3:
        return ['s', r.pick(WORDS)];
      case 4:
        return ['typed', r.pick(ARRAYS), r.pick([0, 1, 3, 4, 12])];
      case 5:
        return ['function', r.pick(FUNCTIONS)];
      case 6:
        return ['module', r.pick(MODULES)];
      case 7:
        return this.number();
      default:
        return ['hostile', r.pick(this.names)];
    }
  }

  indices(hint) {
    const r = this.random;
    const shape = r.oneIn(3) ? this.shape : [r.pick([this.shape[0] ?? 1, 1, 2, 3])];
    const dtype = /mask|condition/.test(hint) ? 'bool' : 'int64';
    return [
      'tensor',
      r.oneIn(3) ? this.dtype : dtype,
      shape,
      r.pick(['zeros', 'ones', 'counting', 'counting', 'hostile']),
      this.layout(),
      false,
      '',
    ];
  }

  layout() {
    return this.random.pick(['', '', '', 'permuted', 'sliced', 'expanded', 'stepped', 'tail']);
  }

  tensor(hint = '') {
    const r = this.random;
    let shape = [...this.shape];
    if (/^weight$/.test(hint))
      shape =
        shape.length > 2
          ? [r.pick([1, 2, 4]), this.channels, ...shape.slice(2).map(() => r.pick([1, 2, 3]))]
          : r.pick([[this.channels], [3, shape.at(-1) ?? 1]]);
    else if (/^(bias|running\w*)$/.test(hint)) shape = [this.channels];
    else if (r.oneIn(5)) shape = shape.map((n) => (r.oneIn(3) ? 1 : n));
    else if (r.oneIn(8)) shape = shape.slice(r.below(shape.length + 1));
    else if (r.oneIn(7)) shape.reverse();
    else if (r.oneIn(10)) shape = Array.from({ length: r.below(5) }, this.size);
    const dtype = r.oneIn(6) ? r.pick(DTYPES) : this.dtype;
    const content = r.pick(['normal', 'normal', 'uniform', 'zeros', 'ones', 'counting', 'hostile']);
    return ['tensor', dtype, shape, content, this.layout(), r.oneIn(3), r.oneIn(40) ? 'disposed' : ''];
  }

  /** An options object with some of these keys. */
  options(keys) {
    const r = this.random;
    const chosen = {};
    if (keys.length === 0) return ['options', chosen];
    for (let n = r.pick([0, 1, 1, 2, 2, 3]); n > 0; n--) {
      const key = r.oneIn(40) ? r.pick(['zzz', '__proto__', 'constructor', 'length']) : r.pick(keys);
      // Threads are for another test.
      if (/workers?$/i.test(key)) continue;
      chosen[key] = this.option(key);
    }
    return ['options', chosen];
  }

  option(key) {
    const r = this.random;
    if (r.oneIn(8)) return this.foreign();
    if (key === 'dtype') return ['s', r.pick(DTYPES)];
    if (/^(dim|dims)$/.test(key)) return r.oneIn(3) ? this.integers() : ['n', String(r.pick([0, 1, -1, 2]))];
    if (/weight|bias|mask|input|other|out$/i.test(key) && r.oneIn(2)) return this.tensor('bias');
    if (/model|module/i.test(key)) return ['module', r.pick(MODULES)];
    if (/reduction|mode|nonlinearity|approximate|side|ord|layout/i.test(key))
      return ['s', r.pick([...WORDS, 'mean', 'sum', 'none', 'nhwc'])];
    if (/size|stride|padding|dilation|kernel|shape|factor/i.test(key))
      return r.oneIn(3) ? this.integers() : ['n', String(r.pick([1, 2, 3, 0]))];
    return r.pick([
      ['b', true],
      ['b', false],
      ['n', String(r.pick([0, 1, 2, 0.5, 0.1]))],
      this.number(),
      this.integers(),
    ]);
  }

  /** The same call with one thing changed. */
  mutate(recipe) {
    const r = this.random;
    const [kind] = recipe;
    if (r.oneIn(8)) return this.foreign();
    if (kind === 'tensor') {
      const next = structuredClone(recipe);
      switch (r.below(6)) {
        case 0:
          next[1] = r.pick(DTYPES);
          break;
        case 1:
          if (next[2].length) next[2][r.below(next[2].length)] = r.pick([0, 1, 2, 3, 5, 8, 17, 33]);
          break;
        case 2:
          next[2] = r.oneIn(2) ? [1, ...next[2]].slice(0, 9) : next[2].slice(1);
          break;
        case 3:
          next[3] = r.pick(['hostile', 'zeros', 'counting', 'normal']);
          break;
        case 4:
          next[4] = r.pick(['permuted', 'sliced', 'expanded', 'stepped', 'tail']);
          break;
        default:
          next[5] = !next[5];
      }
      return next[2].reduce((a, b) => a * b, 1) > 40_000 ? recipe : next;
    }
    if (kind === 'n') return this.number();
    if (kind === 'array' && recipe[1].length && !r.oneIn(3)) {
      const items = [...recipe[1]];
      const i = r.below(items.length);
      items[i] = this.mutate(items[i]);
      return ['array', items];
    }
    if (kind === 'options' && Object.keys(recipe[1]).length) {
      const key = r.pick(Object.keys(recipe[1]));
      return ['options', { ...recipe[1], [key]: r.oneIn(2) ? this.option(key) : this.mutate(recipe[1][key]) }];
    }
    return this.value();
  }
}

/** Makes the values that recipes describe. */
export class Maker {
  constructor(L, construct) {
    this.L = L;
    this.hostile = hostile(L);
    this.construct = construct;
  }

  make(recipe) {
    const [kind, a, b] = recipe;
    switch (kind) {
      case 'u':
        return undefined;
      case 'null':
        return null;
      case 'b':
      case 's':
        return a;
      case 'n':
        return Number(a);
      case 'array':
        return a.map((x) => this.make(x));
      case 'options':
        return Object.fromEntries(Object.entries(a).map(([key, x]) => [key, this.make(x)]));
      case 'typed':
        return this.typed(a, b);
      case 'hostile':
        return this.hostile[a]();
      case 'function':
        return this.function(a);
      case 'module':
        return this.module(a);
      case 'params':
        return Array.from({ length: a }, (_, i) => new this.L.nn.Parameter(this.L.randn([i + 1, 2])));
      case 'optimizer':
        return new this.L.optim[a](this.make(['params', 2]), { lr: 0.1 });
      case 'tensor':
        return this.tensor(recipe);
      case 'new':
        return this.construct(a, b);
      default:
        throw new Error(`no recipe: ${JSON.stringify(recipe)}`);
    }
  }

  typed(name, length) {
    if (name === 'ArrayBuffer') return new ArrayBuffer(length);
    if (name === 'DataView') return new DataView(new ArrayBuffer(length));
    const big = name.startsWith('Big');
    return globalThis[name].from({ length }, (_, i) => (big ? BigInt(i) : i));
  }

  function(name) {
    const { L } = this;
    return {
      identity: (x) => x,
      square: (x) => (x instanceof L.Tensor ? x.mul(x) : x),
      throws: () => {
        throw new Hostile();
      },
      nothing: () => undefined,
      nan: () => NaN,
      disposes: (x) => (x?.dispose?.(), x),
      captures: () => L.capture(() => L.ones([2]).add(1))(),
      promise: async (x) => x,
      loss: (x) =>
        x instanceof L.Tensor && x.dtype.includes('float') ? x.mul(2).sum() : L.ones([1], { requiresGrad: true }).sum(),
      count: () => 0.5,
    }[name];
  }

  module(name) {
    const { nn } = this.L;
    switch (name) {
      case 'linear':
        return new nn.Linear(3, 2);
      case 'convolution':
        return new nn.Conv2d(3, 2, 3, { padding: 1 });
      case 'norm':
        return new nn.BatchNorm1d(3);
      case 'nested':
        return new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU(), new nn.Dropout(0.5), new nn.Linear(4, 2));
      case 'lazy':
        return new nn.LazyLinear(2);
      default:
        return new nn.Module();
    }
  }

  /** [_, dtype, shape, content, layout, requiresGrad, state] */
  tensor([, dtype, shape, content, layout, requiresGrad, state]) {
    let t = this.content(dtype, this.base(shape, layout), content);
    if (layout === 'permuted') t = t.permute([...shape.keys()].reverse());
    else if (layout === 'sliced' && shape.length) t = t.narrow(0, 1, shape[0]);
    else if (layout === 'tail' && shape.length) t = t.narrow(shape.length - 1, 0, shape.at(-1));
    else if (layout === 'expanded' && shape.length) t = t.expand(shape);
    else if (layout === 'stepped' && shape.length) t = t.slice(shape.length - 1, 0, 2 * shape.at(-1), 2);
    if (requiresGrad && dtype.includes('float')) t = t.detach().requiresGrad_();
    if (state === 'disposed') t.dispose();
    return t;
  }

  base(shape, layout) {
    const last = shape.length - 1;
    if (layout === 'permuted') return [...shape].reverse();
    if (layout === 'sliced') return shape.map((n, i) => (i === 0 ? n + 2 : n));
    if (layout === 'tail') return shape.map((n, i) => (i === last ? n + 3 : n));
    if (layout === 'expanded') return shape.map((n, i) => (i === 0 ? 1 : n));
    if (layout === 'stepped') return shape.map((n, i) => (i === last ? 2 * n : n));
    return shape;
  }

  content(dtype, shape, content) {
    const { L } = this;
    if (content === 'zeros') return L.zeros(shape, { dtype });
    if (content === 'ones') return L.ones(shape, { dtype });
    const n = shape.reduce((a, b) => a * b, 1);
    if (content === 'counting') return L.arange(n).remainder(5).reshape(shape).to(dtype);
    if (content === 'hostile') {
      const values = [
        NaN,
        Infinity,
        -Infinity,
        0,
        -0,
        1e30,
        -1e30,
        1e-40,
        -1,
        3,
        1e6,
        -1e6,
        2 ** 31,
        -(2 ** 31),
        2 ** 40,
      ];
      const fit = dtype === 'bool' || dtype.includes('float') ? values : values.filter(Number.isSafeInteger);
      return L.tensor(
        Array.from({ length: n }, (_, i) => fit[i % fit.length]),
        { dtype: dtype.includes('float') ? 'float32' : 'float64' },
      )
        .reshape(shape)
        .to(dtype);
    }
    const t = content === 'normal' ? L.randn(shape) : L.rand(shape);
    return (dtype.includes('float') ? t : t.mul(3)).to(dtype);
  }
}
