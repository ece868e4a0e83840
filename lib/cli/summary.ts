// SPDX-License-Identifier: Apache-2.0
// `lenode summary`: what a network consists of and costs.
import { InvalidArgumentError, type Command } from 'commander';
import { summary } from '../train/summary/summary.js';
import { makeNetwork, networkNames, usualInput } from './networks.js';

interface Options {
  input?: readonly number[];
  depth: number;
  json?: boolean;
}

export function registerSummary(program: Command): void {
  program
    .command('summary')
    .description('list the layers of a network: shapes, parameters, multiply-adds, memory, receptive fields')
    .argument('<model>', `the network: ${networkNames().join(', ')}`)
    .option('--input <shape>', 'the shape of the input, such as 1,3,224,224 (default: what the network was made for)', shapeOf)
    .option('--depth <n>', 'how deep modules are shown', depthOf, 3)
    .option('--json', 'print the summary as JSON')
    .action((name: string, options: Options) => {
      const model = makeNetwork(name);
      const result = summary(model, options.input ?? usualInput(model), { depth: options.depth });
      console.log(options.json ? JSON.stringify(result) : result.toString());
    });
}

function shapeOf(text: string): readonly number[] {
  if (!/^\d+([,x]\d+)*$/.test(text)) throw new InvalidArgumentError('expected sizes such as 1,3,224,224');
  return text.split(/[,x]/).map(Number);
}

function depthOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('expected a count');
  return value;
}
