// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and its relatives: the first asks for an end, the second is one.

const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
type SignalName = keyof typeof signals;

/** As shells report an end by a signal. */
const statusOf = (name: SignalName): number => 128 + signals[name];

export class Interrupts {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  private readonly controller = new AbortController();
  private first: SignalName | undefined;

  /**
   * @param onFirst says what will happen now
   * @param restore what must be done before the process ends, whoever ends it
   */
  constructor(
    private readonly onFirst: () => void,
    private readonly restore: () => void,
  ) {
    this.signal = this.controller.signal;
    for (const name of Object.keys(signals)) process.on(name, this.#handle);
    process.on('exit', restore);
  }

  /** The status of a process that was interrupted; undefined if it was not. */
  get status(): number | undefined {
    return this.first && statusOf(this.first);
  }

  readonly #handle = (name: NodeJS.Signals): void => {
    if (this.first) process.exit(statusOf(name as SignalName));
    this.first = name as SignalName;
    this.onFirst();
    this.controller.abort();
  };

  /** Signals do again what they do by default. */
  end(): void {
    for (const name of Object.keys(signals)) process.off(name, this.#handle);
    process.off('exit', this.restore);
    this.restore();
  }
}
