// SPDX-License-Identifier: Apache-2.0
export interface Ended {
  way: string;
  seed: number;
  code: number | null;
  signal: string | null;
  text: string;
}
export function endMany(
  count: number,
  options?: { parallel?: number; seed?: number; log?: (line: string) => void },
): Promise<Ended[]>;
