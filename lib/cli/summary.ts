// SPDX-License-Identifier: Apache-2.0
// `lenode summary`: what a network consists of and costs.
import { InvalidArgumentError, type Command } from 'commander';
import * as models from '../models/index.js';
import { ArgumentError } from '../native/errors.js';
import { Module, type AnyModule } from '../nn/module.js';
import { summary } from '../train/summary/summary.js';

interface Options {
  input?: readonly number[];
  depth: number;
  json?: boolean;
}

export function registerSummary(program: Command): void {
  program
    .command('summary')
    .description('list the layers of a network: shapes, parameters, multiply-adds, memory, receptive fields')
    .argument('<model>', `the network: ${[...factories().keys()].join(', ')}`)
    .option('--input <shape>', 'the shape of the input, such as 1,3,224,224 (default: what the network was made for)', shapeOf)
    .option('--depth <n>', 'how deep modules are shown', depthOf, 3)
    .option('--json', 'print the summary as JSON')
    .action((name: string, options: Options) => {
      const model = build(name);
      const result = summary(model, options.input ?? usualInput(model), { depth: options.depth });
      console.log(options.json ? JSON.stringify(result) : result.toString());
    });
}

// The functions that make networks, by name.
function factories(): Map<string, () => unknown> {
  const found = new Map<string, () => unknown>();
  for (const [name, value] of Object.entries(models as Record<string, unknown>))
    if (typeof value === 'function' && /^[a-z]/.test(name)) found.set(name, value as () => unknown);
  return found;
}

function build(name: string): AnyModule {
  const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, '');
  const all = factories();
  const found = all.get(name) ?? [...all].find(([other]) => plain(other) === plain(name))?.[1];
  const model = found?.();
  if (!(model instanceof Module)) throw new ArgumentError(`there is no model '${name}'; there are ${[...all.keys()].join(', ')}`);
  return model;
}

// One grey image of 28 x 28 for networks that take one channel, else a colour photograph.
function usualInput(model: AnyModule): readonly number[] {
  const first = model.modules().find((m) => 'inChannels' in m) as { inChannels?: unknown } | undefined;
  return first?.inChannels === 1 ? [1, 1, 28, 28] : [1, 3, 224, 224];
}

function shapeOf(text: string): readonly number[] {
  const sizes = text.split(/[,x]/).map(Number);
  if (text.trim() === '' || !sizes.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw new InvalidArgumentError('expected sizes such as 1,3,224,224');
  return sizes;
}

function depthOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('expected a count');
  return value;
}
