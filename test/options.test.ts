// SPDX-License-Identifier: Apache-2.0
// Options that do not exist, of another kind or in the wrong place are errors: of every public function, method and class,
// as TypeScript lists them, so that what is added later is tested too.
import { describe, expect, test } from 'vitest';
import * as lenode from '../lib/index.js';
import { ArgumentError } from '../lib/native/errors.js';
import { boolean, nearest, noMore, number, optionsOf, required } from '../lib/native/options.js';
import { publicSignatures, type Signature } from './helpers/signatures.js';

// What TypeScript lists but no program gives options or arguments to.
const internal = [
  /Error$|^nativeError$|^fromNative$|\.fromParts$/, // errors take what Error does; the rest is lenode's own
  /^(Device|Tensor|SafetensorsFile|Summary)$|^datasets\.(DatasetFolder|ImageFolder)$/, // made by functions
  /^datasets\.\w+\.read$|^autograd\.Context$|^Device\.cuda$|^models\.CifarCnn\.named$/,
  /^(Accuracy|MeanLoss)$/, // without a constructor
  /^data\.parseCifar$/, // its one options object has no optional key
];

const all = publicSignatures().filter((s) => !internal.some((pattern) => pattern.test(s.name)));
const withOptions = all.filter((s) => s.options && (s.kind !== 'method' || /^(Tensor|nn\.Module)#/.test(s.name)));
// Methods of Tensor's and Module's own are called with nothing that could be meant as an option.
const without = all.filter((s) => !s.options && !s.variadic && s.kind !== 'method');

// Options are looked at before the arguments in front of them, but where their place depends on those.
const leading: Readonly<Record<string, readonly unknown[]>> = { arange: [0, 3, 1], eye: [2, 3], randint: [0, 5, [2]] };
const before = (s: Signature): readonly unknown[] => leading[s.name] ?? new Array<unknown>(s.parameters - 1).fill(undefined);

function at(path: string): unknown {
  return path.split('.').reduce<unknown>((o, key) => (o as Record<string, unknown>)[key], lenode);
}

function call(s: Signature, args: readonly unknown[]): unknown {
  if (s.kind === 'class') return new (at(s.name) as new (...args: readonly unknown[]) => unknown)(...args);
  const split = s.name.lastIndexOf(s.kind === 'method' ? '#' : '.');
  const method = s.name.slice(split + 1);
  const owner =
    s.kind === 'method' ? (s.name.startsWith('Tensor#') ? lenode.ones([2, 3]) : new lenode.nn.Linear(3, 2)) : at(s.name.slice(0, split));
  if (s.kind === 'function') return (at(s.name) as (...args: readonly unknown[]) => unknown)(...args);
  return (owner as Record<string, (...args: readonly unknown[]) => unknown>)[method]!(...args);
}

async function refuses(s: Signature, args: readonly unknown[], message: RegExp): Promise<void> {
  let error: unknown;
  try {
    await call(s, args);
  } catch (e) {
    error = e;
  }
  expect(error).toBeInstanceOf(ArgumentError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).stack).toMatch(/options\.test/);
}

test('there are as many as there should be', () => {
  expect(withOptions.length).toBeGreaterThan(250);
  expect(without.length).toBeGreaterThan(200);
});

describe.each(withOptions.map((s) => [s.name, s] as const))('%s', (_, s) => {
  test('an option that does not exist', async () => {
    await refuses(s, [...before(s), { noSuchOption: 1 }], /: no option 'noSuchOption'.*\(options: /);
  });

  test('something else in the place of the options', async () => {
    const accepted = s.name.endsWith('#to'); // a dtype or a device
    for (const value of [true, 0.5, [1], new Map(), null, ...(accepted ? [] : ['text'])])
      await refuses(s, [...before(s), value], /: the options must be an object such as \{ .* \}, got /);
  });

  test('options of another type', async () => {
    for (const [key, kind] of s.options!.kinds) {
      if (kind === 'other') continue;
      const values = kind === 'boolean' ? ['yes', 1, null] : ['abc', NaN, true];
      for (const value of values) {
        if ((value === null && s.options!.nullable.has(key)) || (Number.isNaN(value) && key === 'nan')) continue;
        await refuses(s, [...before(s), { [key]: value }], new RegExp(`: ${key} must be .*, got `));
      }
    }
  });

  test('one argument too many', async () => {
    if (s.options!.required.length > 0) await refuses(s, [...before(s), {}], /must be given|expected either/);
    else await refuses(s, [...before(s), {}, 1], /: too many arguments/);
  });
});

test.each(without.map((s) => [s.name, s] as const))('%s: one argument too many', async (_, s) => {
  await refuses(s, [...new Array<unknown>(s.parameters).fill(undefined), 1], /: too many arguments/);
});

describe('what the messages say', () => {
  const p = () => [new lenode.nn.Parameter(lenode.ones([2]))];
  const x = () => lenode.ones([2, 3]);
  test.each<[string, (...args: never[]) => unknown, string]>([
    ['PyTorch\'s spelling', () => new lenode.nn.Conv2d(3, 4, 3, { padding_mode: 'zeros' } as never), "Conv2d: no option 'padding_mode'; did you mean 'paddingMode'?"],
    ['a slip', () => lenode.F.maxPool2d(x(), 2, { ceilmode: true } as never), "maxPool2d: no option 'ceilmode'; did you mean 'ceilMode'?"],
    ['a long name', () => new lenode.optim.Adam(p(), { learningRate: 1 } as never), "Adam: no option 'learningRate'; did you mean 'lr'?"],
    ['a short name', () => new lenode.optim.SGD(p(), { wd: 1 } as never), "SGD: no option 'wd'; did you mean 'weightDecay'?"],
    ['nothing like it', () => lenode.sum(x(), 0, { zzz: 1 } as never), "sum: no option 'zzz' (options: keepdim, dtype)"],
    ['a number', () => new lenode.optim.Adam(p(), 0.1 as never), 'Adam: the options must be an object such as { lr: 0.1 }, got 0.1'],
    ['a boolean', () => x().sum(0, true as never), 'sum: the options must be an object such as { keepdim: true }, got true'],
    ['positional options', () => new (lenode.nn.Conv2d as never as new (...a: number[]) => unknown)(3, 4, 3, 2, 1), 'Conv2d: the options must be an object such as { stride: 2 }, got 2'],
    ['a probability', () => lenode.F.dropout(x(), 0.99 as never), 'dropout: the options must be an object such as { p: 0.99 }, got 0.99'],
    ['sizes one by one', () => (x().reshape as (...a: unknown[]) => unknown)(3, 2), 'reshape: too many arguments; the sizes are given as one array'],
    ['a tensor', () => lenode.sum(x(), 0, x() as never), 'sum: the options must be an object such as { keepdim: ... }, got a Tensor'],
    ['the name of an object\'s own', () => lenode.sum(x(), 0, { constructor: 1 } as never), "sum: no option 'constructor'"],
    ['a key of a group', () => new lenode.optim.SGD([{ params: p(), learning_rate: 1 } as never]), "SGD: no option 'learning_rate'; did you mean 'lr'?"],
    ['a group without parameters', () => new lenode.optim.SGD([{ lr: 1 } as never]), 'SGD: the option params must be given'],
    ['a model for parameters', () => new lenode.optim.SGD(new lenode.nn.Linear(1, 1) as never), 'SGD: expected parameters or groups of them, such as model.parameters(), got a Linear'],
    ['no function to run', () => lenode.noGrad(3 as never), 'noGrad: expected a function to run, got 3'],
  ])('%s', (_, wrong, message) => {
    expect(wrong).toThrow(ArgumentError);
    expect(wrong).toThrow(message);
  });

  test('a rate that is made no number later', () => {
    const [w] = p() as [lenode.Tensor];
    const optimizer = new lenode.optim.SGD([w], { lr: 0.1 });
    lenode.autograd.backward(lenode.sum(w));
    optimizer.paramGroups[0]!.lr = 'abc' as never;
    expect(() => optimizer.step()).toThrow("SGD: lr must be a number, got 'abc'");
    optimizer.paramGroups[0]!.lr = NaN;
    expect(() => optimizer.step()).toThrow('SGD: lr must be a number, got NaN');
    expect([...w.dataSync()]).toEqual([1, 1]);
  });

  test('fit() says what is missing', async () => {
    await expect(lenode.fit(undefined as never)).rejects.toThrow(/^fit: the options must be an object such as \{ model, train, optimizer, epochs \}/);
    const model = new lenode.nn.Linear(1, 1);
    const rest = { model, train: new lenode.DataLoader(new lenode.TensorDataset(lenode.ones([1, 1]), lenode.ones([1, 1]))) };
    const optimizer = new lenode.optim.SGD(model.parameters());
    await expect(lenode.fit({ ...rest, optimizer } as never)).rejects.toThrow(/^fit: the option epochs must be given/);
  });
});

describe('a schema', () => {
  const check = optionsOf<{ flag?: boolean; count: number }>({ flag: boolean, count: required(number) });
  test('gives back what it was given', () => {
    const options = Object.freeze({ flag: true, count: 2 });
    expect(check('f', options)).toBe(options);
    expect(check('f', Object.assign(Object.create(null) as object, { count: 1 }) as { count: number })).toEqual({ count: 1 });
    expect(check('f', Object.create({ count: 3 }) as { count: number }).count).toBe(3); // inherited ones count
    expect(check('f', { flag: undefined as never, count: 1 }).flag).toBeUndefined();
  });
  test('is not deceived by objects of another kind', () => {
    for (const value of [new Map(), new Set(), new Date(), Promise.resolve(), [], /x/, new (class A {})(), () => 1])
      expect(() => check('f', value as never)).toThrow(/^f: the options must be an object/);
  });
  test('finds the nearest name', () => {
    const names = ['stride', 'padding', 'dilation', 'ceilMode', 'countIncludePad'];
    expect(nearest('ceil_mode', names)).toBe('ceilMode');
    expect(nearest('pading', names)).toBe('padding');
    expect(nearest('strdie', names)).toBe('stride');
    expect(nearest('count_include_padding', names)).toBe('countIncludePad');
    expect(nearest('momentum', names)).toBeUndefined();
    expect(nearest('x'.repeat(1e5), names)).toBeUndefined();
  });
  test('noMore() is silent for what fits', () => {
    noMore('f', false);
    expect(() => noMore('f', true)).toThrow('f: too many arguments');
  });
});

describe('pictures', () => {
  const { planePicture, imagePicture, grid, gray, Picture } = lenode.visualize as never as Record<string, (...args: unknown[]) => unknown> & {
    Picture: new (...args: unknown[]) => { paste(...args: unknown[]): void };
  };
  test.each<[string, () => unknown]>([
    ['an infinite list', () => planePicture!({ length: Infinity }, 2, 2, gray)],
    ['an infinite width', () => planePicture!([1], Infinity, 1, gray)],
    ['an infinite image', () => imagePicture!({ length: Infinity }, [3, 1, Infinity])],
    ['no shape', () => imagePicture!([1], 'x')],
    ['an infinite grid', () => grid!({ length: Infinity })],
    ['an infinite scale', () => grid!([new Picture(1, 1)], { scale: Infinity })],
    ['an infinite gap', () => grid!([new Picture(1, 1)], { gap: Infinity })],
    ['pictures of nothing', () => grid!([1])],
    ['too large a picture', () => new Picture(1e6, 1e6)],
    ['pasting without end', () => new Picture(2, 2).paste(new Picture(1, 1), 0, 0, Infinity)],
    ['pasting beside it', () => new Picture(2, 2).paste(new Picture(2, 2), 1, 0)],
  ])('%s is an error', (_, wrong) => {
    expect(wrong).toThrow(ArgumentError);
  });
});

test('Compose takes an array of any length', () => {
  const list: lenode.transforms.Transform[] = [new lenode.transforms.ToDtype('float32', { scale: true })];
  const composed: lenode.transforms.Transform = new lenode.transforms.Compose(list);
  expect(composed.forward(new lenode.data.Image(new Uint8Array([255]), 1, 1, 1)).data[0]).toBeCloseTo(1);
  expect(() => new lenode.transforms.Compose([])).toThrow(ArgumentError);
  expect(() => new (lenode.transforms.Compose as never as new (...a: unknown[]) => unknown)(list[0], list[0])).toThrow('given as one array');
});
