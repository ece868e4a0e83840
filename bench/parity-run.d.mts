// SPDX-License-Identifier: Apache-2.0
import type * as lenode from '../lib/index.js';
import type { GoogLeNetOutputs } from '../lib/models/index.js';
import type { AnyModule } from '../lib/nn/index.js';
import type { Tensor } from '../lib/index.js';

type Library = Pick<typeof lenode, 'F' | 'noGrad' | 'optim' | 'stack'>;

export function lossOf(library: Pick<Library, 'F'>, output: Tensor | GoogLeNetOutputs, labels: Tensor): Tensor;
export function compute(
  library: Library,
  model: AnyModule,
  images: Tensor,
  labels: Tensor,
  options: { lr: number },
): Map<string, Tensor>;
