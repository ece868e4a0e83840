// SPDX-License-Identifier: Apache-2.0
// Writes zip archives as PyTorch wants them: entries not compressed, and their data aligned so that tensors can be
// mapped into memory where they lie. No library for zip files aligns.
// The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
import { crc32 } from 'node:zlib';
import type { Write } from './atomic.js';

const ALIGNMENT = 64;
const UTF8_NAMES = 0x800;
// 1980-01-01, so that the same content gives the same file.
const DATE = 0x21;
const LIMIT_16 = 0xffff;
const LIMIT_32 = 0xffffffff;
const VERSION = 20;
const VERSION_ZIP64 = 45;
const ZIP64_FIELD = 0x0001;
// Ignored by every reader, as the zip format has it for unknown fields; PyTorch pads with the same.
const PADDING_FIELD = 0x4246;

interface Entry {
  readonly name: Buffer;
  readonly size: number;
  readonly crc: number;
  readonly offset: number;
}

export class ZipWriter {
  private readonly entries: Entry[] = [];
  private at = 0;

  constructor(
    private readonly output: Write,
    /** Whether numbers are written in 64 bits even where 32 suffice. */
    private readonly alwaysZip64 = false,
  ) {}

  private async write(bytes: Uint8Array): Promise<void> {
    await this.output(bytes);
    this.at += bytes.length;
  }

  async add(name: string, data: Uint8Array): Promise<void> {
    const entry: Entry = { name: Buffer.from(name, 'utf8'), size: data.length, crc: crc32(data), offset: this.at };
    const wide = this.alwaysZip64 || entry.size >= LIMIT_32;
    const zip64 = wide ? zip64Field([entry.size, entry.size]) : Buffer.alloc(0);
    const before = this.at + 30 + entry.name.length + zip64.length + 4;
    const padding = Buffer.alloc(4 + ((ALIGNMENT - (before % ALIGNMENT)) % ALIGNMENT));
    padding.writeUInt16LE(PADDING_FIELD, 0);
    padding.writeUInt16LE(padding.length - 4, 2);
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(wide ? VERSION_ZIP64 : VERSION, 4);
    writeCommon(header, 6, entry, wide);
    header.writeUInt16LE(zip64.length + padding.length, 28);
    await this.write(Buffer.concat([header, entry.name, zip64, padding]));
    await this.write(data);
    this.entries.push(entry);
  }

  /** Writes the directory; the archive is complete then. */
  async finish(): Promise<void> {
    const start = this.at;
    const directory = Buffer.concat(this.entries.map((entry) => this.directoryEntry(entry)));
    await this.write(directory);
    const count = this.entries.length;
    const wide = this.alwaysZip64 || count >= LIMIT_16 || start + directory.length >= LIMIT_32;
    if (wide) {
      const end64 = Buffer.alloc(56 + 20);
      end64.writeUInt32LE(0x06064b50, 0);
      writeWide(end64, 4, 56 - 12);
      end64.writeUInt16LE(VERSION_ZIP64, 12);
      end64.writeUInt16LE(VERSION_ZIP64, 14);
      writeWide(end64, 24, count);
      writeWide(end64, 32, count);
      writeWide(end64, 40, directory.length);
      writeWide(end64, 48, start);
      end64.writeUInt32LE(0x07064b50, 56); // where it is
      writeWide(end64, 64, start + directory.length);
      end64.writeUInt32LE(1, 72);
      await this.write(end64);
    }
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(wide ? LIMIT_16 : count, 8);
    end.writeUInt16LE(wide ? LIMIT_16 : count, 10);
    end.writeUInt32LE(wide ? LIMIT_32 : directory.length, 12);
    end.writeUInt32LE(wide ? LIMIT_32 : start, 16);
    await this.write(end);
  }

  private directoryEntry(entry: Entry): Buffer {
    const wide = this.alwaysZip64 || entry.size >= LIMIT_32 || entry.offset >= LIMIT_32;
    const zip64 = wide ? zip64Field([entry.size, entry.size, entry.offset]) : Buffer.alloc(0);
    const header = Buffer.alloc(46);
    header.writeUInt32LE(0x02014b50, 0);
    header.writeUInt16LE(wide ? VERSION_ZIP64 : VERSION, 4);
    header.writeUInt16LE(wide ? VERSION_ZIP64 : VERSION, 6);
    writeCommon(header, 8, entry, wide);
    header.writeUInt16LE(zip64.length, 30);
    header.writeUInt32LE(wide ? LIMIT_32 : entry.offset, 42);
    return Buffer.concat([header, entry.name, zip64]);
  }
}

// What both kinds of header have, from the flags to the length of the name.
function writeCommon(header: Buffer, at: number, { name, size, crc }: Entry, wide: boolean): void {
  header.writeUInt16LE(UTF8_NAMES, at);
  header.writeUInt16LE(DATE, at + 6);
  header.writeUInt32LE(crc, at + 8);
  header.writeUInt32LE(wide ? LIMIT_32 : size, at + 12);
  header.writeUInt32LE(wide ? LIMIT_32 : size, at + 16);
  header.writeUInt16LE(name.length, at + 20);
}

function zip64Field(numbers: readonly number[]): Buffer {
  const field = Buffer.alloc(4 + 8 * numbers.length);
  field.writeUInt16LE(ZIP64_FIELD, 0);
  field.writeUInt16LE(8 * numbers.length, 2);
  numbers.forEach((number, i) => writeWide(field, 4 + 8 * i, number));
  return field;
}

function writeWide(target: Buffer, at: number, value: number): void {
  target.writeBigUInt64LE(BigInt(value), at);
}
