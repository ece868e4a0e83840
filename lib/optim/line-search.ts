// SPDX-License-Identifier: Apache-2.0
// A step's length along a direction, by the strong Wolfe conditions: the loss has gone down enough, and the slope is
// near 0 (Nocedal and Wright, "Numerical Optimization", algorithms 3.5 and 3.6; minFunc's safeguards).
import type { Tensor } from '../tensor/tensor.js';

/** The loss and its gradient at one length. */
export interface Sample {
  readonly length: number;
  readonly loss: number;
  readonly grad: Tensor;
  /** The gradient along the direction. */
  readonly slope: number;
}

const DECREASE = 1e-4;
const CURVATURE = 0.9;

// Where a cubic through two samples is lowest, within bounds.
function lowest(a: Sample, b: Sample, [low, high] = [Math.min(a.length, b.length), Math.max(a.length, b.length)]): number {
  const d1 = a.slope + b.slope - (3 * (a.loss - b.loss)) / (a.length - b.length);
  const square = d1 ** 2 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const d2 = Math.sqrt(square);
  const at =
    a.length <= b.length
      ? b.length - (b.length - a.length) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
      : a.length - (a.length - b.length) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2));
  return Math.min(Math.max(at, low), high);
}

/**
 * @param sample the loss at a length
 * @param start at length 0
 * @param length to begin with
 * @param directionSize the direction's largest element
 * @returns the best sample, and how often the loss was computed
 */
export function strongWolfe(
  sample: (length: number) => Sample,
  start: Sample,
  length: number,
  { directionSize, toleranceChange, maxIter }: { directionSize: number; toleranceChange: number; maxIter: number },
): { best: Sample; evaluations: number } {
  let now = sample(length);
  let evaluations = 1;
  let iteration = 0;
  let previous = start;
  let bracket: [Sample, Sample] | undefined;
  const tooHigh = (s: Sample) => s.loss > start.loss + DECREASE * s.length * start.slope;
  const flat = (s: Sample) => Math.abs(s.slope) <= -CURVATURE * start.slope;
  while (iteration < maxIter) {
    if (tooHigh(now) || (iteration > 1 && now.loss >= previous.loss)) {
      bracket = [previous, now];
      break;
    }
    if (flat(now)) return { best: now, evaluations };
    if (now.slope >= 0) {
      bracket = [previous, now];
      break;
    }
    const bounds: [number, number] = [now.length + 0.01 * (now.length - previous.length), now.length * 10];
    const next = lowest(previous, now, bounds);
    previous = now;
    now = sample(next);
    evaluations++;
    iteration++;
  }

  // Narrow it down, between the better and the worse end.
  const ordered = (a: Sample, b: Sample): [Sample, Sample] => (a.loss <= b.loss ? [a, b] : [b, a]);
  let [low, high] = ordered(...(bracket ?? [start, now]));
  let insufficient = false;
  while (iteration < maxIter) {
    if (Math.abs(high.length - low.length) * directionSize < toleranceChange) break;
    const [left, right] = [Math.min(low.length, high.length), Math.max(low.length, high.length)];
    let t = lowest(low, high);
    const margin = 0.1 * (right - left);
    if (Math.min(right - t, t - left) < margin) {
      if (insufficient || t >= right || t <= left) {
        t = Math.abs(t - right) < Math.abs(t - left) ? right - margin : left + margin;
        insufficient = false;
      } else {
        insufficient = true;
      }
    } else {
      insufficient = false;
    }
    now = sample(t);
    evaluations++;
    iteration++;
    if (tooHigh(now) || now.loss >= low.loss) {
      [low, high] = ordered(low, now);
    } else {
      if (flat(now)) return { best: now, evaluations };
      if (now.slope * (high.length - low.length) >= 0) high = low;
      low = now;
    }
  }
  return { best: low, evaluations };
}
