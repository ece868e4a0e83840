// SPDX-License-Identifier: Apache-2.0
// Files of datasets, made for tests.

/** An IDX file of unsigned bytes. */
export function idx(shape: number[], values: Uint8Array, magic = 0x0800 + shape.length): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt32BE(magic, 0);
  shape.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([header, values]);
}

/** A POSIX tar archive. */
export function tar(files: Record<string, Uint8Array>): Buffer {
  const parts: Uint8Array[] = [];
  for (const [name, content] of Object.entries(files)) {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write(name.endsWith('/') ? '5' : '0', 156);
    header.write('ustar\x0000', 257);
    header.write(`${header.reduce((a, b) => a + b, 0).toString(8).padStart(6, '0')}\0 `, 148);
    parts.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** Records of a CIFAR file of the binary version: label i % classes; pixel p of channel c of image i is i + 3 p + 7 c. */
export function cifar(count: number, { labelBytes = 1, classes = 10 } = {}): Buffer {
  const record = labelBytes + 3072;
  const bytes = Buffer.alloc(count * record);
  for (let i = 0; i < count; i++) {
    bytes[i * record + labelBytes - 1] = i % classes;
    for (let c = 0; c < 3; c++) for (let p = 0; p < 1024; p++) bytes[i * record + labelBytes + c * 1024 + p] = (i + 3 * p + 7 * c) & 255;
  }
  return bytes;
}
