// SPDX-License-Identifier: Apache-2.0
import type * as lenode from '../lib/index.js';

export const IMAGES: number;
export const GOAL: number;
export const recipes: Readonly<Record<string, object>>;
export function overfit(
  library: typeof lenode,
  label: string,
  options?: { device?: lenode.DeviceLike; onStep?: (step: number, loss: number) => void },
): Promise<number[]>;
