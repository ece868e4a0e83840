// SPDX-License-Identifier: Apache-2.0
import { CPU_ID, cudaId, openDevice } from '../native/devices.js';
import { native } from '../native/binding.js';
import { cudaStatus } from '../native/cuda.js';
import { ArgumentError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { throwUntold } from '../native/faults.js';

export type DeviceType = 'cpu' | 'cuda';

/** A place where tensors live and operations run: `cpu` or `cuda:0`, `cuda:1`, ... */
export class Device {
  private constructor(
    readonly type: DeviceType,
    readonly index: number,
    /** @internal */
    readonly id: number,
  ) {}

  static readonly cpu = new Device('cpu', 0, CPU_ID);
  private static readonly cudaDevices: Device[] = [];

  static cuda(index: number): Device {
    return (Device.cudaDevices[index] ??= new Device('cuda', index, cudaId(index)));
  }

  toString(): string {
    return this.type === 'cpu' ? 'cpu' : `cuda:${this.index}`;
  }
}

/** What a device can be named by. */
export type DeviceLike = Device | 'cpu' | 'cuda' | 'auto' | `cuda:${number}`;

/**
 * A device by name, opened and ready.
 *
 * @param name `'cpu'`, `'cuda'` (the first GPU), `'cuda:1'`, or `'auto'`: the first GPU if there is one that works,
 * else the CPU.
 * @throws DeviceError when a CUDA device is asked for and cannot be used, saying why and what to do.
 */
export function device(name: DeviceLike = 'auto'): Device {
  noMore('device', arguments.length > 1);
  const found = resolve(name);
  openDevice(found.id);
  return found;
}

function resolve(name: DeviceLike): Device {
  if (name instanceof Device) return name;
  if (name === 'cpu') return Device.cpu;
  if (name === 'cuda') return Device.cuda(0);
  if (name === 'auto') return cudaStatus().available ? Device.cuda(0) : Device.cpu;
  const match = typeof name === 'string' ? /^cuda:(\d+)$/.exec(name) : null;
  if (match) return Device.cuda(Number(match[1]));
  throw new ArgumentError(`device: expected 'cpu', 'cuda', 'cuda:<index>' or 'auto', got ${String(name)}`);
}

/**
 * Resolves when everything enqueued on the device so far has finished; the event loop stays free.
 * @throws the error of an operation that has failed, unless a read of something computed from it has given it already
 */
export async function synchronize(where: DeviceLike = 'cpu'): Promise<void> {
  noMore('synchronize', arguments.length > 1);
  const { id } = device(where);
  await native().fence(id);
  throwUntold(id);
}

/** @internal As synchronize(), but leaves errors to those who read what depends on them. */
export async function settled({ id }: Device = Device.cpu): Promise<void> {
  await native().fence(id);
}

/** As synchronize(), but blocks the event loop. */
export function synchronizeSync(where: DeviceLike = 'cpu'): void {
  noMore('synchronizeSync', arguments.length > 1);
  const { id } = device(where);
  native().wait(id);
  throwUntold(id);
}
