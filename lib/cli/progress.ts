// SPDX-License-Identifier: Apache-2.0
// The progress bar, on stderr, as wide as the terminal allows; nothing where stderr is no terminal.
import { SingleBar } from 'cli-progress';
import type { StepReport } from '../train/fit.js';

const FULL = 72; // columns from which all figures fit
const REDRAW_PER_SECOND = 10;

export class EpochProgress {
  private bar: SingleBar | null = null;
  private begun = 0;

  constructor(
    private readonly epochs: number,
    private readonly stream: NodeJS.WriteStream = process.stderr,
  ) {}

  step({ epoch, step, steps, samples, loss }: StepReport): void {
    if (!this.stream.isTTY) return;
    if (!this.bar) {
      this.bar = this.make();
      this.bar.start(steps, 0, { epoch: `${epoch + 1}/${this.epochs}`, rate: '', loss: '' });
      this.begun = performance.now();
    }
    const seconds = Math.max((performance.now() - this.begun) / 1000, 1e-3);
    this.bar.update(step, {
      rate: String(Math.round(samples / seconds)),
      loss: Number.isNaN(loss) ? '...' : loss.toFixed(4),
    });
  }

  /** Takes the bar away, so that a line can be printed. */
  stop(): void {
    this.bar?.stop();
    this.bar = null;
  }

  private make(): SingleBar {
    const columns = this.stream.columns || FULL;
    const roomy = columns >= FULL;
    return new SingleBar({
      stream: this.stream,
      format: roomy
        ? 'epoch {epoch} {bar} {percentage}%  {rate} images/s  loss {loss}  ETA {eta_formatted}'
        : '{epoch} {bar} {percentage}% loss {loss}',
      barsize: roomy ? Math.min(20, columns - 60) : Math.max(4, columns - 28),
      barCompleteChar: '█',
      barIncompleteChar: '░',
      fps: REDRAW_PER_SECOND,
      clearOnComplete: true,
      hideCursor: true,
      linewrap: false,
    });
  }
}
