// SPDX-License-Identifier: Apache-2.0
// Reads Python's pickles without running them. A pickle is a program for a stack machine whose dangerous instructions
// import a function by name and call it. Here a name is looked up in a table that the caller gives, and what stands
// there is TypeScript that checks its arguments and makes data; any other name is an error.
import { types } from 'node:util';
import { FormatError } from '../native/errors.js';
import { ForbiddenGlobalError } from './errors.js';
import { Code, opcodeName } from './opcodes.js';

/** What a function of the table is told of its call. */
export interface Call {
  readonly args: readonly unknown[];
  /** To be called before anything is made whose size is `items` and not that of the arguments. */
  charge(items: number): void;
  /** Throws a FormatError that names the function and the place. */
  fail(problem: string): never;
}

/** A class or function that pickles may name. */
export class Global {
  constructor(
    readonly name: string,
    /** Makes the value of a call. Without it the name stands for itself, and calling it is an error. */
    readonly apply?: (call: Call) => unknown,
  ) {}
}

/** A name that stands for a value. */
export class Constant {
  constructor(readonly value: unknown) {}
}

/** collections.OrderedDict; a dict is a Map. */
export class OrderedDict extends Map<unknown, unknown> {
  /** Set by the caller's `build`: what Python keeps beside the entries. */
  attributes?: Map<unknown, unknown>;
}

export interface PickleRules {
  /** By `module.name`. Anything else is refused. */
  readonly globals: ReadonlyMap<string, Global | Constant>;
  /** What a persistent id stands for. Without it they are refused. */
  readonly persistent?: (id: unknown, fail: (problem: string) => never) => unknown;
  /** Sets the state of an object that a function of the table made. Without it that is refused. */
  readonly build?: (target: unknown, state: unknown, call: Pick<Call, 'charge' | 'fail'>) => void;
  /** How Python 2's byte strings are read. Default utf8. */
  readonly strings?: 'utf8' | 'latin1';
}

/** The longest pickle that is read. Tensors lie beside it, so that those of large networks are below a megabyte. */
export const MAX_PICKLE_BYTES = 2 ** 26;
// Bounds of memory. A pickle of n bytes can make at most n objects, and a real one far fewer.
const MAX_OBJECTS = 2 ** 20;
const MAX_NAME = 512;

/**
 * Reads one pickle, which begins at the first byte and may be followed by others.
 *
 * None, booleans and strings become what they are in JavaScript, integers numbers (beyond 2^53 bigints), floats
 * numbers, bytes Uint8Arrays, lists and tuples arrays, sets Sets, dicts Maps.
 *
 * @param source begins the messages
 * @returns the value and the number of bytes that the pickle takes
 * @throws ForbiddenGlobalError, naming it, for a class or function that is not in the table; FormatError for what is
 * damaged or truncated, no pickle of protocol 2 to 5, or larger than any real one
 */
export function unpickle(bytes: Uint8Array, source: string, rules: PickleRules): { value: unknown; length: number } {
  return new Machine(bytes, source, rules).run();
}

class Machine {
  private readonly bytes: Buffer;
  private at = 0;
  // Where the instruction at work begins.
  private start = 0;
  private stack: unknown[] = [];
  // Heights of the stack at its marks.
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, unknown>();
  private objects = 0;
  private copied = 0;

  constructor(
    bytes: Uint8Array,
    private readonly source: string,
    private readonly rules: PickleRules,
  ) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): { value: unknown; length: number } {
    if (this.bytes[0] !== Code.PROTO) this.fail('this is no pickle of protocol 2 or later');
    for (;;) {
      this.start = this.at;
      const code = this.u8();
      if (code === Code.STOP) break;
      this.step(code);
      if (this.stack.length > MAX_OBJECTS) this.fail(`more than ${MAX_OBJECTS} values on the stack`);
    }
    if (this.stack.length !== 1 || this.marks.length > 0) this.fail(`${this.stack.length} values are left at its end, not 1`);
    return { value: this.stack[0], length: this.at };
  }

  private readonly fail: (problem: string) => never = (problem) => {
    throw new FormatError(`${this.source}: ${problem} (byte ${this.start} of the pickle)`);
  };

  // ---- bytes -------------------------------------------------------------------------------------------------

  private take(length: number): number {
    const from = this.at;
    if (!(length <= this.bytes.length - from)) this.fail(`truncated inside ${opcodeName(this.bytes[this.start]!)}`);
    this.at = from + length;
    return from;
  }
  private u8(): number {
    if (this.at >= this.bytes.length) this.fail('truncated: its end is missing');
    return this.bytes[this.at++]!;
  }
  private u32(): number {
    return this.bytes.readUInt32LE(this.take(4));
  }
  private u64(): number {
    return Number(this.bytes.readBigUInt64LE(this.take(8)));
  }
  private slice(length: number): Buffer {
    const from = this.take(length);
    return this.bytes.subarray(from, from + length);
  }
  private text(length: number): string {
    const raw = this.slice(length);
    try {
      return utf8.decode(raw);
    } catch {
      return this.fail('a string that is no UTF-8');
    }
  }
  private byteString(length: number): string {
    return this.rules.strings === 'latin1' ? this.slice(length).toString('latin1') : this.text(length);
  }
  private line(): string {
    const end = this.bytes.subarray(this.at, this.at + MAX_NAME + 1).indexOf(0x0a);
    if (end < 0) this.fail('a name without end');
    const name = this.text(end);
    this.at++;
    return name;
  }
  // Little-endian two's complement of any length. The longest that occur have 10 bytes.
  private long(length: number): number | bigint {
    if (length > 128) this.fail(`an integer of ${length} bytes`);
    let value = 0n;
    const raw = this.slice(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(raw[i]!);
    return small(BigInt.asIntN(8 * length, value));
  }

  // ---- stack -------------------------------------------------------------------------------------------------

  private pop(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fail('the stack is empty');
    return this.stack.pop();
  }
  private top(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fail('the stack is empty');
    return this.stack[this.stack.length - 1];
  }
  private popMark(): unknown[] {
    const height = this.marks.pop();
    return height === undefined ? this.fail('there is no mark on the stack') : this.stack.splice(height);
  }
  private popMany(count: number): unknown[] {
    if (this.stack.length - (this.marks.at(-1) ?? 0) < count) this.fail('the stack is empty');
    return this.stack.splice(this.stack.length - count);
  }
  private make<T>(object: T): T {
    if (++this.objects > MAX_OBJECTS) this.fail(`more than ${MAX_OBJECTS} objects`);
    return object;
  }
  // What calls copy out of their arguments: once each in a real pickle, again and again in a hostile one.
  private readonly charge = (items: number): void => {
    this.copied += items;
    if (!(this.copied <= 4 * this.bytes.length + 4096)) this.fail('its calls make more data than it holds');
  };

  private put(index: number): void {
    if (this.memo.size >= MAX_OBJECTS) this.fail(`more than ${MAX_OBJECTS} values are remembered`);
    this.memo.set(index, this.top());
  }
  private get(index: number): void {
    if (!this.memo.has(index)) this.fail(`no value ${index} is remembered`);
    this.stack.push(this.memo.get(index));
  }

  // ---- containers --------------------------------------------------------------------------------------------

  private append(target: unknown, items: readonly unknown[]): void {
    if (!Array.isArray(target)) this.fail('items are appended to what is no list');
    for (const item of items) (target as unknown[]).push(item);
  }
  private setItems(target: unknown, items: readonly unknown[]): void {
    if (!(target instanceof Map)) this.fail('entries are put into what is no dict');
    if (items.length % 2 !== 0) this.fail('a key without a value');
    for (let i = 0; i < items.length; i += 2) (target as Map<unknown, unknown>).set(this.key(items[i]), items[i + 1]);
  }
  private addItems(target: unknown, items: readonly unknown[]): void {
    if (!(target instanceof Set)) this.fail('items are added to what is no set');
    for (const item of items) (target as Set<unknown>).add(this.key(item));
  }
  private key(value: unknown): unknown {
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && !types.isUint8Array(value))
      this.fail('a key that cannot be one');
    return value;
  }

  // ---- names and calls ---------------------------------------------------------------------------------------

  private find(module: unknown, name: unknown): unknown {
    if (typeof module !== 'string' || typeof name !== 'string' || name.length > MAX_NAME || module.length > MAX_NAME)
      return this.fail('the name of a class that is no name');
    const full = `${module}.${name}`;
    const found = this.rules.globals.get(full);
    if (!found)
      throw new ForbiddenGlobalError(
        `${this.source}: it asks for ${JSON.stringify(full)} (byte ${this.start} of the pickle), which is not on the ` +
          'list of harmless types. Nothing was run. Save tensors and plain data only, as in torch.save(model.state_dict(), path)',
        full,
        this.start,
      );
    return found instanceof Constant ? found.value : found;
  }

  private call(callee: unknown, args: unknown): void {
    if (!(callee instanceof Global)) return this.fail('a call of what is no function');
    const { name, apply } = callee;
    if (!apply) return this.fail(`${name} cannot be called`);
    if (!Array.isArray(args)) return this.fail(`the arguments of ${name} are no tuple`);
    const fail = (problem: string) => this.fail(`${name}: ${problem}`);
    this.stack.push(this.make(apply({ args: args as unknown[], charge: this.charge, fail })));
  }

  private build(target: unknown, state: unknown): void {
    if (!this.rules.build) this.fail('an object of a class has a state');
    this.rules.build!(target, state, { charge: this.charge, fail: this.fail });
  }

  private persistent(id: unknown): unknown {
    return this.rules.persistent ? this.rules.persistent(id, this.fail) : this.fail('it refers to something outside it');
  }

  // ---- instructions ------------------------------------------------------------------------------------------

  private step(code: number): void {
    const { stack } = this;
    switch (code) {
      case Code.PROTO: {
        const version = this.u8();
        if (version < 2 || version > 5) this.fail(`protocol ${version} is not one of 2 to 5`);
        return;
      }
      case Code.FRAME:
        // A hint for reading ahead. What it claims must be there, but nothing depends on it.
        if (this.u64() > this.bytes.length - this.at) this.fail('truncated: a frame reaches beyond its end');
        return;

      case Code.NONE: return void stack.push(null);
      case Code.NEWTRUE: return void stack.push(true);
      case Code.NEWFALSE: return void stack.push(false);
      case Code.BININT: return void stack.push(this.bytes.readInt32LE(this.take(4)));
      case Code.BININT1: return void stack.push(this.u8());
      case Code.BININT2: return void stack.push(this.bytes.readUInt16LE(this.take(2)));
      case Code.LONG1: return void stack.push(this.long(this.u8()));
      case Code.LONG4: return void stack.push(this.long(this.u32()));
      case Code.BINFLOAT: return void stack.push(this.bytes.readDoubleBE(this.take(8)));

      case Code.SHORT_BINUNICODE: return void stack.push(this.text(this.u8()));
      case Code.BINUNICODE: return void stack.push(this.text(this.u32()));
      case Code.BINUNICODE8: return void stack.push(this.text(this.u64()));
      case Code.SHORT_BINSTRING: return void stack.push(this.byteString(this.u8()));
      case Code.BINSTRING: return void stack.push(this.byteString(this.u32()));
      case Code.SHORT_BINBYTES: return void stack.push(this.make(copyOf(this.slice(this.u8()))));
      case Code.BINBYTES: return void stack.push(this.make(copyOf(this.slice(this.u32()))));
      case Code.BINBYTES8:
      case Code.BYTEARRAY8: return void stack.push(this.make(copyOf(this.slice(this.u64()))));

      case Code.MARK:
        if (this.marks.length >= MAX_OBJECTS) this.fail(`more than ${MAX_OBJECTS} marks`);
        return void this.marks.push(stack.length);
      case Code.POP:
        if (this.marks.at(-1) === stack.length) this.marks.pop();
        else this.pop();
        return;
      case Code.POP_MARK: return void this.popMark();
      case Code.DUP: return void stack.push(this.top());

      case Code.EMPTY_TUPLE:
      case Code.EMPTY_LIST: return void stack.push(this.make([]));
      case Code.TUPLE:
      case Code.LIST: return void stack.push(this.make(this.popMark()));
      case Code.TUPLE1: return void stack.push(this.make(this.popMany(1)));
      case Code.TUPLE2: return void stack.push(this.make(this.popMany(2)));
      case Code.TUPLE3: return void stack.push(this.make(this.popMany(3)));
      case Code.APPEND: return this.popInto(1, this.append);
      case Code.APPENDS: return this.popInto(undefined, this.append);

      case Code.EMPTY_DICT: return void stack.push(this.make(new Map()));
      case Code.DICT: {
        const items = this.popMark();
        const dict = this.make(new Map());
        this.setItems(dict, items);
        return void stack.push(dict);
      }
      case Code.SETITEM: return this.popInto(2, this.setItems);
      case Code.SETITEMS: return this.popInto(undefined, this.setItems);
      case Code.EMPTY_SET: return void stack.push(this.make(new Set()));
      case Code.ADDITEMS: return this.popInto(undefined, this.addItems);
      case Code.FROZENSET: {
        const items = this.popMark();
        const set = this.make(new Set());
        this.addItems(set, items);
        return void stack.push(set);
      }

      case Code.BINPUT: return this.put(this.u8());
      case Code.LONG_BINPUT: return this.put(this.u32());
      case Code.MEMOIZE: return this.put(this.memo.size);
      case Code.BINGET: return this.get(this.u8());
      case Code.LONG_BINGET: return this.get(this.u32());

      case Code.GLOBAL: return void stack.push(this.find(this.line(), this.line()));
      case Code.STACK_GLOBAL: {
        const [module, name] = this.popMany(2);
        return void stack.push(this.find(module, name));
      }
      case Code.INST: {
        const callee = this.find(this.line(), this.line());
        return this.call(callee, this.popMark());
      }
      case Code.OBJ: {
        const [callee, ...args] = this.popMark();
        return this.call(callee, args);
      }
      case Code.REDUCE:
      case Code.NEWOBJ: {
        const [callee, args] = this.popMany(2);
        return this.call(callee, args);
      }
      case Code.NEWOBJ_EX: {
        const [callee, args, named] = this.popMany(3);
        if (!(named instanceof Map) || named.size > 0) this.fail('a call with named arguments');
        return this.call(callee, args);
      }
      case Code.BUILD: {
        const state = this.pop();
        return this.build(this.top(), state);
      }
      case Code.BINPERSID: return void stack.push(this.persistent(this.pop()));
      default: this.fail(`instruction ${opcodeName(code)} does not occur in pickles of data`);
    }
  }

  // The items above the mark, or so many, go into the container below them.
  private popInto(count: number | undefined, put: (target: unknown, items: readonly unknown[]) => void): void {
    const items = count === undefined ? this.popMark() : this.popMany(count);
    put.call(this, this.top(), items);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// Of memory of its own: what is kept of a pickle must not keep the rest of it.
function copyOf(bytes: Buffer): Uint8Array {
  return Uint8Array.from(bytes);
}

/** As number if that holds it exactly. */
export function small(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
