// SPDX-License-Identifier: Apache-2.0
// The "python version" of CIFAR: dicts of a NumPy array and lists, pickled by Python 2.
import { FormatError } from '../../native/errors.js';
import { unpickle, type Constant, type Global, type PickleRules } from '../../pickle/machine.js';
import { buildNumpy, NumpyArray, numpyGlobals } from '../../pickle/numpy.js';
import { globalsTable, pythonGlobals } from '../../pickle/python.js';

/** The longest pickle that is read: CIFAR-100's training images take 155 MB, of which all but 1.3 are pixels. */
export const MAX_CIFAR_PICKLE_BYTES = 2 ** 28;

const rules: PickleRules = {
  globals: globalsTable<Global | (Constant & { name: string })>(pythonGlobals, numpyGlobals),
  strings: 'latin1',
  build: (target, state, call) => void (buildNumpy(target, state, call) || call.fail('an object that is no array has a state')),
};

/**
 * What one file holds, the pixels as they lie there: [N, 3, 32, 32].
 *
 * @param key of the labels
 * @throws FormatError; ForbiddenGlobalError for a pickle that names anything but arrays and containers
 */
export function readCifarPickle(bytes: Uint8Array, source: string, key: string): { planes: Uint8Array; labels: readonly number[] } {
  if (bytes.length > MAX_CIFAR_PICKLE_BYTES)
    throw new FormatError(`${source}: a pickle of ${bytes.length} bytes; at most ${MAX_CIFAR_PICKLE_BYTES} are read`);
  const { value } = unpickle(bytes, source, rules);
  const data: unknown = value instanceof Map ? value.get('data') : undefined;
  const labels: unknown = value instanceof Map ? value.get(key) : undefined;
  if (!(data instanceof NumpyArray) || !Array.isArray(labels)) throw new FormatError(`${source}: no dict with 'data' and '${key}'`);
  const { shape, dtype, fortran, data: planes } = data;
  if (dtype.name !== 'uint8' || fortran || shape.length !== 2 || shape[0] !== labels.length || shape[1] !== 3072)
    throw new FormatError(
      `${source}: 'data' must be uint8 [${labels.length}, 3072] in C order, got ${dtype.name} [${shape.join(', ')}]${fortran ? ' in Fortran order' : ''}`,
    );
  if (labels.length === 0) throw new FormatError(`${source}: there are no images`);
  return { planes, labels: labels as number[] };
}
