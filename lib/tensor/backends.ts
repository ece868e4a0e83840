// SPDX-License-Identifier: Apache-2.0
// Switches of the libraries, with PyTorch's names and defaults. They hold for all devices of their kind in this
// environment, those opened later included.
import { CPU_ID, onOpen, openDevices, Option, setOption } from '../native/devices.js';
import { deviceProperties } from '../native/devices.js';
import { ArgumentError } from '../native/errors.js';
import { noMore } from '../native/options.js';

type CudaOption = Exclude<(typeof Option)[keyof typeof Option], 0>;
const cudaSettings = new Map<CudaOption, boolean>();

function setCuda(option: CudaOption, value: boolean): void {
  cudaSettings.set(option, value);
  for (const id of openDevices()) if (id !== CPU_ID) setOption(id, option, value ? 1 : 0);
}
onOpen((id) => {
  if (id !== CPU_ID) for (const [option, value] of cudaSettings) setOption(id, option, value ? 1 : 0);
});

export const backends = {
  cudnn: {
    /**
     * The first call with a shape, dtype and layout times several algorithms, and the fastest is kept: for convolutions
     * among cuDNN's; for batch normalisation and pooling between cuDNN's and own kernels, which are always used
     * otherwise, and with `deterministic`. Default false.
     */
    get benchmark(): boolean {
      return cudaSettings.get(Option.cudnnBenchmark) ?? false;
    },
    set benchmark(value: boolean) {
      setCuda(Option.cudnnBenchmark, value);
    },
    /** Only algorithms whose results do not vary from run to run. Default false. */
    get deterministic(): boolean {
      return cudaSettings.get(Option.cudnnDeterministic) ?? false;
    },
    set deterministic(value: boolean) {
      setCuda(Option.cudnnDeterministic, value);
    },
    /** TensorFloat-32 in convolutions of float32. Default true, as in PyTorch. */
    get allowTf32(): boolean {
      return cudaSettings.get(Option.cudnnAllowTf32) ?? true;
    },
    set allowTf32(value: boolean) {
      setCuda(Option.cudnnAllowTf32, value);
    },
  },
  cuda: {
    matmul: {
      /** TensorFloat-32 in matrix products of float32. Default false, as in PyTorch. */
      get allowTf32(): boolean {
        return cudaSettings.get(Option.matmulAllowTf32) ?? false;
      },
      set allowTf32(value: boolean) {
        setCuda(Option.matmulAllowTf32, value);
      },
    },
  },
};

/** CPU threads of this environment's operations. Default: the container's CPU limit, or OMP_NUM_THREADS. */
export function setNumThreads(threads: number): void {
  noMore('setNumThreads', arguments.length > 1);
  if (!Number.isInteger(threads) || threads < 1)
    throw new ArgumentError(`setNumThreads: expected a positive integer, got ${threads}`);
  numThreads = threads;
  setOption(CPU_ID, Option.threads, threads);
}

let numThreads: number | undefined;
export function getNumThreads(): number {
  noMore('getNumThreads', arguments.length > 0);
  return numThreads ?? deviceProperties(CPU_ID).multiprocessors;
}
