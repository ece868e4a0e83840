// SPDX-License-Identifier: Apache-2.0
// Networks by the names that commands take.
import * as models from '../models/index.js';
import { ArgumentError } from '../native/errors.js';
import { Module } from '../nn/module.js';
import type { Tensor } from '../tensor/tensor.js';

type Network = Module<[Tensor], Tensor>;

// The functions that make networks, by name.
function factories(): Map<string, () => unknown> {
  const found = new Map<string, () => unknown>();
  for (const [name, value] of Object.entries(models as Record<string, unknown>))
    if (typeof value === 'function' && /^[a-z]/.test(name)) found.set(name, value as () => unknown);
  return found;
}

/** What can be asked for. */
export const networkNames = (): string[] => [...factories().keys()];

/** A network of a name such as 'resnet50', 'mnist-cnn' or 'vgg16_bn'. @throws ArgumentError that lists what there is */
export function makeNetwork(name: string): Network {
  const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, '');
  const all = factories();
  const found = all.get(name) ?? [...all].find(([other]) => plain(other) === plain(name))?.[1];
  const model = found?.();
  if (!(model instanceof Module)) throw new ArgumentError(`there is no model '${name}'; there are ${networkNames().join(', ')}`);
  return model as Network;
}

/** The shape that a network is made for: the size that it says, or that of ImageNet's photographs. */
export function usualInput(model: Network): readonly [n: number, channels: number, height: number, width: number] {
  const first = model.modules().find((m) => 'inChannels' in m) as { inChannels?: unknown } | undefined;
  const channels = first?.inChannels === 1 ? 1 : 3;
  const { imageSize = channels === 1 ? 28 : 224 } = model as { imageSize?: number };
  return [1, channels, imageSize, imageSize];
}
