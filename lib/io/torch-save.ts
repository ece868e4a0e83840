// SPDX-License-Identifier: Apache-2.0
import { DisposedError } from '../native/errors.js';
import { noMore } from '../native/options.js';
import { Parameter } from '../nn/parameter.js';
import { Code } from '../pickle/opcodes.js';
import { PickleWriter } from '../pickle/writer.js';
import type { DType } from '../tensor/dtype.js';
import { contiguousStrides, formatShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { writeAtomically } from './atomic.js';
import { toBytes } from './bytes.js';
import { ZipWriter } from './zip-writer.js';

const storageNames: Readonly<Record<DType, string>> = {
  float64: 'DoubleStorage',
  float32: 'FloatStorage',
  float16: 'HalfStorage',
  bfloat16: 'BFloat16Storage',
  int64: 'LongStorage',
  int32: 'IntStorage',
  uint8: 'ByteStorage',
  bool: 'BoolStorage',
};

/**
 * Writes a file that PyTorch's `torch.load(path, weights_only=True)` reads: a state dict, or a training checkpoint of
 * tensors, parameters, numbers, strings, booleans, null, Uint8Arrays, arrays, Sets, Maps and plain objects, nested at
 * will.
 *
 * Tensors are written row-major and as if they were on the CPU; each has memory of its own in the file, even if it
 * shares some here. Whole numbers become ints and others floats. Properties that are whole numbers become ints, as in
 * optimizers' states, unless all values are tensors. The file is complete or not there at all. The values should not be
 * changed before the promise is fulfilled.
 *
 * @throws ArgumentError for what has no counterpart in Python, what contains itself, and what is nested more than 500 deep
 */
export async function save(path: string, value: unknown): Promise<void> {
  noMore('save', arguments.length > 2);
  const tensors = new Map<Tensor, string>();
  const pickle = PickleWriter.pickle(value, 'save', (object, writer) => {
    if (!(object instanceof Tensor)) return false;
    const t = object as Tensor;
    if (t.disposed) throw new DisposedError(`save: a tensor of shape ${formatShape(t.shape)} was used after dispose()`);
    let key = tensors.get(t);
    if (key === undefined) tensors.set(t, (key = String(tensors.size)));
    if (t instanceof Parameter) writeParameter(writer, t as Tensor, key);
    else writeTensor(writer, t, key, t.requiresGrad && t.isLeaf);
    return true;
  });
  await writeAtomically(path, async (write) => {
    const zip = new ZipWriter(write);
    await zip.add('archive/data.pkl', pickle);
    await zip.add('archive/byteorder', Buffer.from('little'));
    for (const [t, key] of tensors) await zip.add(`archive/data/${key}`, await toBytes(t));
    await zip.add('archive/version', Buffer.from('3\n'));
    await zip.finish();
  });
}

function writeTensor(writer: PickleWriter, t: Tensor, key: string, requiresGrad: boolean): void {
  const integers = (values: readonly number[]) => writer.tuple(() => values.forEach((n) => writer.integer(n)));
  writer.global('torch._utils', '_rebuild_tensor_v2');
  writer.tuple(() => {
    writer.tuple(() => {
      writer.string('storage');
      writer.global('torch', storageNames[t.dtype]);
      writer.string(key);
      writer.string('cpu');
      writer.integer(t.numel);
    });
    writer.code(Code.BINPERSID);
    writer.integer(0);
    integers(t.shape);
    integers(contiguousStrides(t.shape));
    writer.code(requiresGrad ? Code.NEWTRUE : Code.NEWFALSE);
    writeHooks(writer);
  });
  writer.code(Code.REDUCE);
}

function writeParameter(writer: PickleWriter, t: Tensor, key: string): void {
  writer.global('torch._utils', '_rebuild_parameter');
  writer.tuple(() => {
    writeTensor(writer, t, key, false);
    writer.code(t.requiresGrad ? Code.NEWTRUE : Code.NEWFALSE);
    writeHooks(writer);
  });
  writer.code(Code.REDUCE);
}

function writeHooks(writer: PickleWriter): void {
  writer.global('collections', 'OrderedDict');
  writer.code(Code.EMPTY_TUPLE, Code.REDUCE);
}
