// SPDX-License-Identifier: Apache-2.0
// The examples as a user runs them, on little data. They import the compiled package.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';

const project = join(import.meta.dirname, '..');
let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'lenode-examples-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function run(name: string, ...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(project, 'examples', `${name}.mjs`), ...args], { encoding: 'utf8', cwd: project });
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

test('they type-check against the published types', () => {
  const tsc = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', join(project, 'examples')], { encoding: 'utf8' });
  expect([stdout, status]).toEqual(['', 0]);
});

test('filters: edges are where the brightness changes', async () => {
  // Black on the left, white on the right.
  const photo = join(folder, 'photo.png');
  await sharp(Buffer.from(Array.from({ length: 40 * 30 }, (_, i) => (i % 40 < 20 ? 0 : 255))), { raw: { width: 40, height: 30, channels: 1 } }).png().toFile(photo);
  expect(run('filters', photo, folder)).toContain('blur.png: 36 x 26');
  const row = (name: string) => {
    const { data, width } = PNG.sync.read(readFileSync(join(folder, `${name}.png`)));
    return Array.from({ length: width }, (_, x) => data[4 * (5 * width + x)]!);
  };
  // Two pixels of a 3 x 3 window's output see both sides.
  expect(row('edges')).toEqual(Array.from({ length: 38 }, (_, x) => (x === 18 || x === 19 ? 255 : 0)));
  expect(row('blur').slice(15, 21)).toEqual([0, 16, 80, 175, 239, 255]);
});

test('translation: the wider the window, the less changes', () => {
  const lines = run('translation').trimEnd().split('\n').slice(1);
  const table = lines.map((line) => line.split(/\s+/).map(Number));
  expect(table.map(([shift]) => shift)).toEqual([0, 1, 2, 3, 4]);
  expect(table[0]).toEqual([0, 0, 0, 0, 0, 0]);
  for (const [, none, , , eight, all] of table.slice(1)) {
    expect(eight).toBeLessThan(none!);
    expect(all).toBe(0);
  }
});
