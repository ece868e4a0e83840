// SPDX-License-Identifier: Apache-2.0

/** One call of one module. */
export interface LayerSummary {
  /** The module's name in the model: 'features.0'; '' for the model itself. */
  readonly name: string;
  /** Its class. */
  readonly type: string;
  /** How deep it is nested: 0 for the model itself. */
  readonly depth: number;
  /** Whether it has no modules of its own. */
  readonly isLeaf: boolean;
  /** Of its first argument and of its first result, null where that is no tensor. */
  readonly inputShape: readonly number[] | null;
  readonly outputShape: readonly number[] | null;
  /** Of its convolutions' or linear layer's own weight: [channels out, channels in / groups, ...]. */
  readonly kernelShape: readonly number[] | null;
  /** Elements of its parameters, its children's included; counted at its first call, 0 at later ones. */
  readonly params: number;
  readonly trainableParams: number;
  /** Products of convolutions, linear layers and matrix products in this call, for the whole batch; biases are not counted. */
  readonly multAdds: number;
  /** Bytes of new memory that the outputs of the leaves in it take: a view takes none. */
  readonly activationBytes: number;
  /** Pixels of the input that one value of the output depends on, [height, width]; null where that is not known. */
  readonly receptiveField: readonly number[] | null;
  /** Pixels between the fields of neighbouring values; null where nothing has neighbours any more. */
  readonly jump: readonly number[] | null;
  /** Whether the same module was called before. */
  readonly again: boolean;
}

export interface SummaryTotals {
  readonly params: number;
  readonly trainableParams: number;
  readonly multAdds: number;
  readonly inputBytes: number;
  /** The outputs of all leaves and, in a training, their gradients: twice their activationBytes. */
  readonly forwardBackwardBytes: number;
  readonly paramsBytes: number;
}
