// SPDX-License-Identifier: Apache-2.0
// One process of bench/fuzz.mjs: makes random calls, and before it makes one writes it to a file that outlives it.
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Random } from './random.mjs';
import { findTargets } from './targets.mjs';
import { Hostile, Maker, Recipes } from './values.mjs';

const distribution = fileURLToPath(new URL('../../dist', import.meta.url));
const lenode = await import(`${distribution}/index.js`);
const { seed, calls, progress, known, report, only } = JSON.parse(process.argv[2]);
const random = new Random(seed);
const recipes = new Recipes(random, lenode);
const targets = findTargets(lenode, distribution);
const byName = new Map(targets.map((target) => [target.name, target]));
const maker = new Maker(lenode, (name, args) => new (byName.get(name).f)(...args.map((a) => maker.make(a))));
const chosen = only ? targets.filter((t) => new RegExp(only).test(t.name)) : targets;

// What earlier processes learnt: the options of a function, and arguments that it took.
const memory = (() => {
  try {
    return JSON.parse(readFileSync(known, 'utf8'));
  } catch {
    return {};
  }
})();
const remember = (name) => (memory[name] ??= { options: [], taken: [], tries: 0 });
const KEPT = 8;

const PENDING = Symbol('pending');

const totals = { calls: 0, returned: 0, typed: 0, hostile: 0, untyped: {}, pending: 0 };
const log = openSync(progress, 'w');
const say = (i, call) => writeSync(log, `${i} ${JSON.stringify(call)}\n`, 0);
let current = '';

function note(error, name, call) {
  if (error instanceof Hostile || /revoked/.test(String(error?.message))) return void totals.hostile++;
  if (error instanceof lenode.LenodeError && !(error instanceof lenode.InternalError)) {
    totals.typed++;
    const keys = /\(options: ([\w, ]+)\)$/.exec(error.message)?.[1].split(', ');
    if (keys && error.message.includes("'zzz'")) remember(name).options = keys;
    return;
  }
  const message = String(error?.message ?? error)
    .replaceAll(/\d+(\.\d+)?/g, 'N')
    .slice(0, 120);
  const frame = /at .*/.exec(String(error?.internalStack ?? error?.stack))?.[0].replace(/\(.*\//, '(') ?? '';
  const kind = `${error?.name ?? typeof error}: ${message} ${frame.slice(0, 70)}`;
  const entry = (totals.untyped[kind] ??= { count: 0, example: call });
  entry.count++;
}
for (const event of ['unhandledRejection', 'uncaughtException'])
  process.on(event, (error) => {
    if (!(error instanceof Hostile))
      note({ name: event, message: error?.message, stack: error?.internalStack ?? error?.stack }, '', current);
  });

function receiver(target) {
  if (target.className === 'Tensor') return recipes.tensor();
  const taken = memory[target.className]?.taken ?? [];
  const args =
    taken.length > 0
      ? random.pick(taken).args
      : argumentsFor(byName.get(target.className) ?? { name: '', parameters: [] });
  return byName.has(target.className) ? ['new', target.className, args] : ['hostile', 'object'];
}

function argumentsFor(target) {
  const { options, taken, tries } = remember(target.name);
  const { parameters } = target;
  // Once in the beginning, to be told the options.
  if (tries < 2 && /options/i.test(parameters.at(-1)))
    return [...parameters.slice(0, -1).map((p) => recipes.value(p)), ['options', { zzz: ['u'] }]];
  if (taken.length > 0 && !random.oneIn(3)) {
    const args = structuredClone(random.pick(taken).args);
    for (let n = random.pick([1, 1, 2]); n > 0 && args.length > 0; n--) {
      const i = random.below(args.length);
      args[i] =
        args[i][0] === 'options' && options.length > 0 && random.oneIn(2)
          ? recipes.options(options)
          : recipes.mutate(args[i]);
    }
    return args;
  }
  const args = parameters
    .map((p) => recipes.value(p))
    .map((recipe) => (recipe[0] === 'options' ? recipes.options(options) : recipe));
  if (parameters.length === 0) for (let n = random.below(3); n > 0; n--) args.push(recipes.value());
  if (random.oneIn(20)) args.push(recipes.value());
  if (args.length > 1 && random.oneIn(20)) args.pop();
  return args;
}

const limited = (promise, ms = 1500) =>
  Promise.race([promise, new Promise((resolve) => setTimeout(resolve, ms, PENDING))]);
/** Uses what came back: reads tensors, differentiates, runs layers and optimizers, goes through iterables. */
async function use(result, depth = 0) {
  if (depth > 3 || result === null || (typeof result !== 'object' && typeof result !== 'function')) return;
  const { Tensor, nn, optim } = lenode;
  if (result instanceof Tensor) {
    if (result.disposed) return;
    if (result.requiresGrad && random.oneIn(2)) result.sum().backward();
    if (result.numel < 4096 && random.oneIn(2)) void (random.oneIn(4) ? String(result) : result.dataSync());
    if (random.oneIn(6)) result.dispose();
  } else if (result instanceof nn.Module) {
    const shape = random.oneIn(2) ? recipes.shape : [2, random.pick([1, 2, 3, 4]), ...recipes.shape.slice(2)];
    if (random.oneIn(4)) result.eval();
    const x = maker.make([
      'tensor',
      random.oneIn(4) ? recipes.dtype : 'float32',
      shape,
      'normal',
      recipes.layout(),
      random.oneIn(2),
      '',
    ]);
    await use(result.forward(x, ...(random.oneIn(4) ? [x] : [])), depth + 1);
  } else if (result instanceof optim.Optimizer) {
    for (const { params } of result.paramGroups) for (const p of params) p.mul(p).sum().backward();
    result.step(() => lenode.ones([1]));
  } else if (typeof result === 'function' && !/^class/.test(result.toString())) {
    const x = maker.make(recipes.tensor());
    for (let i = 0; i < 3; i++) await use(await limited(result(x)), depth + 1);
  } else if (Array.isArray(result) || result instanceof Map) {
    for (const item of [...result.values()].slice(0, 4)) await use(item, depth + 1);
  } else if (typeof result[Symbol.asyncIterator] === 'function') {
    let n = 0;
    for await (const item of result) {
      await use(item, depth + 1);
      if (++n >= 3) break;
    }
  } else if (typeof result[Symbol.iterator] === 'function') {
    let n = 0;
    for (const item of result) if (++n >= 8 || item === PENDING) break;
  }
}

function invoke(target, on, args) {
  if (target.kind === 'class') return new target.f(...args);
  if (target.kind === 'accessor') return on[target.key];
  return target.kind === 'method' ? on[target.key](...args) : target.f.apply(target.owner, args);
}

async function perform(target, call) {
  try {
    const on = call.on && maker.make(call.on);
    const args = call.args.map((recipe) => maker.make(recipe));
    let result;
    // A call in a captured step: recorded, replayed, or refused.
    if (call.captured) {
      const step = lenode.capture(() => {
        const inner = invoke(target, on, args);
        inner?.catch?.(() => undefined);
        return inner instanceof lenode.Tensor ? inner.add(0) : undefined;
      });
      for (let i = 0; i < 3; i++) result = step();
    } else result = invoke(target, on, args);
    if (result instanceof Promise) result = await limited(result);
    if (result === PENDING) return void totals.pending++;
    totals.returned++;
    const { taken } = remember(target.name);
    if (target.kind !== 'accessor' && !random.oneIn(4))
      taken[taken.length < KEPT ? taken.length : random.below(KEPT)] = { args: call.args };
    await use(result);
  } catch (error) {
    note(error, target.name, call);
  }
}

/** The process is as it was: settings that a call may change are set back, and the library still adds. */
function restore(where) {
  lenode.setDefaultDevice('cpu');
  lenode.setNumThreads(2);
  if (!lenode.isGradEnabled() || lenode.isInferenceModeEnabled())
    throw new Error('a call left the mode of gradients changed');
  try {
    lenode.synchronizeSync();
  } catch (error) {
    note(error, where, where); // of a call before: late by design
  }
  const four = lenode
    .tensor([2])
    .add(lenode.tensor([2]))
    .itemSync();
  const product = lenode
    .ones([3, 4])
    .matmul(lenode.full([4, 2], 2))
    .sum();
  if (four !== 4) throw new Error(`2 + 2 is ${four}`);
  if (product.dataSync()[0] !== 48) throw new Error(`a product is ${product.dataSync()[0]}`);
}

// Most calls are of what computes.
const computing = chosen.filter(
  ({ name, kind }) => kind !== 'accessor' && /^(Tensor#|F\.|nn\.|optim\.|transforms\.|[a-z]\w*$)/.test(name),
);
const next = () => random.pick(random.oneIn(8) || computing.length === 0 ? chosen : computing);

lenode.manualSeed(seed);
try {
  for (let i = 0; i < calls; i++) {
    recipes.renew();
    const target = next();
    const on = target.className ? receiver(target) : undefined;
    const call = {
      name: target.name,
      on,
      args: target.kind === 'accessor' ? [] : argumentsFor(target),
      captured: random.oneIn(25),
    };
    remember(target.name).tries++;
    current = call;
    say(i, call);
    await perform(target, call);
    totals.calls++;
    if (i % 16 === 0) {
      restore(call);
      await new Promise(setImmediate);
    }
  }
  say(calls, 'the end');
  restore('the end');
  globalThis.gc?.();
  await new Promise(setImmediate);
  restore('the end');
  writeFileSync(known, JSON.stringify(memory));
  writeFileSync(report, JSON.stringify({ ...totals, targets: chosen.length }));
} catch (error) {
  // Else the handler above would take it for an error of a call.
  writeSync(2, `${error?.internalStack ?? error?.stack ?? error}\n`);
  process.exit(3);
}
process.exit(0);
