// SPDX-License-Identifier: Apache-2.0
import { types } from 'node:util';
import { ArgumentError } from '../native/errors.js';
import { Code } from './opcodes.js';

const MAX_DEPTH = 500;

/** Writes parts of a pickle. Python values are written by the functions below, others by `extend`. */
export class PickleWriter {
  private readonly parts: Buffer[] = [Buffer.from([Code.PROTO, 2])];
  // Values whose parts are being written.
  private readonly open = new Set<object>();

  constructor(
    /** Begins messages: `save`. */
    private readonly where: string,
    /** Writes what is no plain value; returns false for what it does not know either. */
    private readonly extend: (value: object, writer: PickleWriter) => boolean,
  ) {}

  /** The pickle of one value. @throws ArgumentError for what is neither plain data nor written by `extend` */
  static pickle(value: unknown, where: string, extend: (value: object, writer: PickleWriter) => boolean): Buffer {
    const writer = new PickleWriter(where, extend);
    writer.value(value, 'the value');
    writer.code(Code.STOP);
    return Buffer.concat(writer.parts);
  }

  code(...codes: number[]): void {
    this.parts.push(Buffer.from(codes));
  }

  /** The name of a class or function. */
  global(module: string, name: string): void {
    this.code(Code.GLOBAL);
    this.parts.push(Buffer.from(`${module}\n${name}\n`));
  }

  /** A tuple of values that are written one after the other. */
  tuple(write: () => void): void {
    this.code(Code.MARK);
    write();
    this.code(Code.TUPLE);
  }

  string(text: string): void {
    const bytes = Buffer.from(text, 'utf8');
    if (bytes.toString('utf8') !== text) throw new ArgumentError(`${this.where}: a string with half a surrogate pair is no Unicode`);
    this.code(Code.BINUNICODE);
    this.sized(bytes);
  }

  integer(value: number | bigint): void {
    if (value >= -(2 ** 31) && value < 2 ** 31) {
      const field = Buffer.alloc(5);
      field[0] = Code.BININT;
      field.writeInt32LE(Number(value), 1);
      this.parts.push(field);
      return;
    }
    // Two's complement in as many bytes as it takes.
    let rest = BigInt(value);
    const bytes: number[] = [];
    while (bytes.length === 0 || rest !== (bytes.at(-1)! & 0x80 ? -1n : 0n)) {
      bytes.push(Number(rest & 0xffn));
      rest >>= 8n;
    }
    if (bytes.length > 255) throw new ArgumentError(`${this.where}: an integer of ${bytes.length} bytes`);
    this.code(Code.LONG1, bytes.length, ...bytes);
  }

  float(value: number): void {
    const field = Buffer.alloc(9);
    field[0] = Code.BINFLOAT;
    field.writeDoubleBE(value, 1);
    this.parts.push(field);
  }

  // `path` is where it is, for messages.
  private value(value: unknown, path: string): void {
    if (value === null) return this.code(Code.NONE);
    switch (typeof value) {
      case 'boolean': return this.code(value ? Code.NEWTRUE : Code.NEWFALSE);
      case 'number': return Number.isSafeInteger(value) && !Object.is(value, -0) ? this.integer(value) : this.float(value);
      case 'bigint': return this.integer(value);
      case 'string': return this.string(value);
      case 'object': return this.object(value, path);
      default: throw new ArgumentError(`${this.where}: ${path} is ${typeof value}, which has no counterpart in Python`);
    }
  }

  private object(value: object, path: string): void {
    if (this.extend(value, this)) return;
    if (this.open.has(value)) throw new ArgumentError(`${this.where}: ${path} contains itself`);
    if (this.open.size >= MAX_DEPTH) throw new ArgumentError(`${this.where}: ${path} is nested more than ${MAX_DEPTH} deep`);
    this.open.add(value);
    if (types.isUint8Array(value)) this.bytes(value);
    else if (Array.isArray(value)) this.list(value, path);
    else if (value instanceof Set) this.set(value, path);
    else if (value instanceof Map) this.dict(value, path);
    else if ([null, Object.prototype].includes(Object.getPrototypeOf(value) as null)) this.dict(propertiesOf(value), path);
    else throw new ArgumentError(`${this.where}: ${path} is a ${value.constructor?.name ?? 'object'}, not a tensor or plain data`);
    this.open.delete(value);
  }

  private list(items: readonly unknown[], path: string): void {
    this.code(Code.EMPTY_LIST, Code.MARK);
    items.forEach((item, i) => this.value(item, `${path}[${i}]`));
    this.code(Code.APPENDS);
  }

  private set(items: ReadonlySet<unknown>, path: string): void {
    this.global('__builtin__', 'set');
    this.tuple(() => {
      this.code(Code.EMPTY_LIST, Code.MARK);
      for (const item of items) this.hashable(item, `an item of ${path}`);
      this.code(Code.APPENDS);
    });
    this.code(Code.REDUCE);
  }

  // An array stands for a tuple where Python has no lists.
  private hashable(value: unknown, path: string): void {
    if (Array.isArray(value) && !this.open.has(value) && this.open.size < MAX_DEPTH) {
      this.open.add(value);
      this.tuple(() => value.forEach((item) => this.hashable(item, path)));
      this.open.delete(value);
    } else if (typeof value === 'object' && value !== null) {
      throw new ArgumentError(`${this.where}: ${path} is an object`);
    } else this.value(value, path);
  }

  private dict(entries: ReadonlyMap<unknown, unknown>, path: string): void {
    this.code(Code.EMPTY_DICT, Code.MARK);
    for (const [key, value] of entries) {
      this.hashable(key, `a key of ${path}`);
      this.value(value, `${path}.${String(key)}`);
    }
    this.code(Code.SETITEMS);
  }

  // As Python 3 writes them in protocol 2, which has no bytes.
  private bytes(value: Uint8Array): void {
    this.global('_codecs', 'encode');
    this.tuple(() => {
      this.string(Buffer.from(value).toString('latin1'));
      this.string('latin1');
    });
    this.code(Code.REDUCE);
  }

  private sized(bytes: Buffer): void {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    this.parts.push(length, bytes);
  }
}

/**
 * An object's properties with those keys that are integers as integers: JavaScript has no others, and Python's
 * optimizers number their parameters. Not so if all values are tensors, as in the state dict of a list of parameters.
 */
function propertiesOf(value: object): Map<string | number, unknown> {
  const entries = Object.entries(value);
  const numbered = entries.some(([, item]) => typeof item !== 'object' || item === null || isPlain(item as object));
  return new Map(entries.map(([key, item]) => [numbered && /^(0|[1-9]\d{0,14})$/.test(key) ? Number(key) : key, item]));
}

function isPlain(value: object): boolean {
  return Array.isArray(value) || value instanceof Map || [null, Object.prototype].includes(Object.getPrototypeOf(value) as null);
}
