// SPDX-License-Identifier: Apache-2.0
// How a call of PyTorch's is written here. A row of the table is a line such as
//
//   'F.conv2d(input, weight, bias, {stride, padding, dilation, groups})'
//
// The names are PyTorch's, in the order of its positional arguments. Those in braces go into the options object, in
// camelCase; `name=other` is called something else here, `-name` means nothing to results and is left out. A
// None is left out of the options, unless the name ends with `?`. 'F.f' is a function of F, 'f' one of the library, '.f' a method
// of the first argument. `...name` takes all positional arguments from there on, as one list of arguments.

export class Refusal extends Error {}

export function camel(name) {
  return name.replace(/(?<=[a-z0-9])_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}

export function parse(line) {
  const match = /^(F\.|\.)?(\w+)\(([^{}]*)(?:\{(.*)\})?\)$/.exec(line);
  if (!match) throw new Error(`no signature: ${line}`);
  const [, home = '', name, positional, options = ''] = match;
  const list = (text) => text.split(',').map((part) => part.trim()).filter(Boolean).map((part) => {
    const spread = part.startsWith('...');
    const dropped = part.startsWith('-');
    const [theirs, ours] = part.replace(/^(\.\.\.|-)|\?$/g, '').split('=');
    return { theirs, ours: ours ?? camel(theirs), spread, dropped, nullable: part.endsWith('?') };
  });
  return { home, name, positional: list(positional), options: list(options) };
}

/** The arguments of the call here, [positional, options or null], for those of PyTorch's. */
export function bind({ positional, options }, args, kwargs) {
  const named = new Map(Object.entries(kwargs));
  const order = [...positional, ...options];
  const spread = positional.findIndex((p) => p.spread);
  if (spread < 0 && args.length > order.length) throw new Refusal(`${args.length} positional arguments`);
  args.forEach((value, i) => spread >= 0 && i >= spread || named.set(order[i].theirs, value));
  const call = positional.flatMap((p) => {
    if (p.spread) return named.has(p.theirs) ? named.get(p.theirs) : args.slice(spread);
    const value = named.get(p.theirs);
    named.delete(p.theirs);
    return [value ?? undefined];
  });
  while (call.length > 0 && call.at(-1) === undefined) call.pop();
  const chosen = {};
  for (const [theirs, value] of named) {
    const option = options.find((p) => p.theirs === theirs);
    if (value === undefined || option?.dropped || (value === null && !option?.nullable)) continue;
    chosen[option?.ours ?? camel(theirs)] = value;
  }
  const bag = Object.keys(chosen).length > 0 ? chosen : null;
  // Options stand behind all positional arguments.
  if (bag) while (call.length < positional.filter((p) => !p.spread).length) call.push(undefined);
  return [call, bag];
}

/** The function of a signature: of PyTorch's arguments, through what is exported. */
export function callable(lenode, line) {
  const signature = parse(line);
  const home = signature.home === 'F.' ? lenode.F : lenode;
  return (args, kwargs) => {
    const [call, options] = bind(signature, args, kwargs);
    const all = options ? [...call, options] : call;
    if (signature.home !== '.') {
      if (typeof home[signature.name] !== 'function') throw new Missing(signature.name);
      return home[signature.name](...all);
    }
    const [self, ...rest] = all;
    if (typeof self?.[signature.name] !== 'function') throw new Missing(signature.name);
    return self[signature.name](...rest);
  };
}

/** Whether the library has what a row calls, as far as the row itself says. */
export function exists(lenode, row) {
  if (typeof row.call !== 'string') return true;
  const { home, name } = parse(row.call);
  return typeof { '': lenode, 'F.': lenode.F, '.': lenode.Tensor.prototype }[home][name] === 'function';
}

/** A function that the table names and the library does not have. */
export class Missing extends Error {}
