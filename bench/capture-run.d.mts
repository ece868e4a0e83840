// SPDX-License-Identifier: Apache-2.0
import type * as lenode from '../lib/index.js';

export const STEPS: number;
export function digest(tensor: lenode.Tensor): string;
export function compareCaptured(
  library: typeof lenode,
  label: string,
  options?: { device?: lenode.DeviceLike; dtype?: 'fp32' | 'bf16' | 'fp16' },
): { replayed: number; leftOut: number; differing: string[] };
