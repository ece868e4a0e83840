// SPDX-License-Identifier: Apache-2.0
// What a recording of a step holds for: the form of the tensors it is called with, and everything else by value.
import type { Device } from '../tensor/device.js';
import { Tensor } from '../tensor/tensor.js';

interface Form {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly dtype: string;
  readonly device: Device;
}

const sameNumbers = (a: readonly number[], b: readonly number[]): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
};

const sameForm = (a: Form, b: Form): boolean =>
  a.dtype === b.dtype && a.device === b.device && sameNumbers(a.shape, b.shape) && sameNumbers(a.strides, b.strides);

export class Signature {
  /** The tensors among the arguments, each once, in order. Forgotten by what is kept. */
  tensors: Tensor[] = [];
  private readonly forms: Form[] = [];
  // Arguments one after the other: the number of a tensor, the length of an array before its entries, plain values.
  private readonly values: unknown[] = [];
  private readonly kinds: ('tensor' | 'array' | 'value')[] = [];

  constructor(
    args: readonly unknown[],
    private readonly context: readonly unknown[],
  ) {
    for (const arg of args) this.add(arg);
  }

  private add(arg: unknown): void {
    if (arg instanceof Tensor) {
      let number = this.tensors.indexOf(arg as Tensor);
      if (number < 0) {
        number = this.tensors.push(arg as Tensor) - 1;
        const { shape, strides, dtype, device } = arg as Tensor;
        this.forms.push({ shape, strides, dtype, device });
      }
      this.kinds.push('tensor');
      this.values.push(number);
    } else if (Array.isArray(arg)) {
      this.kinds.push('array');
      this.values.push(arg.length);
      for (const entry of arg) this.add(entry);
    } else {
      this.kinds.push('value');
      this.values.push(arg);
    }
  }

  equals(other: Signature): boolean {
    const { forms, values, kinds, context } = this;
    return (
      forms.length === other.forms.length &&
      values.length === other.values.length &&
      context.length === other.context.length &&
      forms.every((form, i) => sameForm(form, other.forms[i]!)) &&
      values.every((value, i) => kinds[i] === other.kinds[i] && Object.is(value, other.values[i])) &&
      context.every((value, i) => Object.is(value, other.context[i]))
    );
  }
}
