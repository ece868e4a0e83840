// SPDX-License-Identifier: Apache-2.0
// The examples as a user runs them, on little data. They import the compiled package.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
const numbers = (text: string, pattern: RegExp): number[] => [...text.matchAll(pattern)].map(([, value]) => Number(value));

test('they type-check against the published types', () => {
  const tsc = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', join(project, 'examples')], { encoding: 'utf8' });
  expect([stdout, status]).toEqual(['', 0]);
});

test('finetune-resnet18 learns shapes, with the backbone frozen or not', async () => {
  const root = join(folder, 'shapes');
  for (const [split, count] of [['train', 12], ['val', 4]] as const)
    for (const [kind, colour] of [['circle', '#d33'], ['square', '#36c']] as const) {
      mkdirSync(join(root, split, kind), { recursive: true });
      for (let i = 0; i < count; i++) {
        const [x, y, r] = [24 + ((i * 7) % 17), 24 + ((i * 5) % 17), 10 + (i % 4)];
        const shape = kind === 'circle' ? `<circle cx="${x}" cy="${y}" r="${r}"` : `<rect x="${x - r}" y="${y - r}" width="${2 * r}" height="${2 * r}"`;
        const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64" fill="#eee"/>${shape} fill="${colour}"/></svg>`;
        await sharp(Buffer.from(svg)).png().toFile(join(root, split, kind, `${i}.png`));
      }
    }
  const small = ['--size', '32', '--batch-size', '8', '--workers', '1', '--device', 'cpu'];
  const whole = run('finetune-resnet18', root, ...small, '--epochs', '4');
  expect(whole).toContain('24 images of circle, square; 62 parameter tensors learn');
  const losses = numbers(whole, /loss ([\d.]+)/g);
  expect(losses.length).toBe(4);
  expect(losses[3]).toBeLessThan(losses[0]!);
  expect(run('finetune-resnet18', root, ...small, '--epochs', '1', '--freeze')).toContain('; 2 parameter tensors learn');
});

test('cifar10 learns, in bfloat16 too', () => {
  // Each class has a brightness of its own.
  const images = (count: number) =>
    Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.concat([Buffer.of(i % 10), Buffer.from(Array.from({ length: 3072 }, (_, p) => (i % 10) * 25 + ((p * 7 + i) % 16)))])));
  const root = join(folder, 'cifar');
  mkdirSync(root);
  for (let i = 1; i <= 5; i++) writeFileSync(join(root, `data_batch_${i}.bin`), images(64));
  writeFileSync(join(root, 'test_batch.bin'), images(40));
  for (const extra of [[], ['--amp']]) {
    const out = run('cifar10', '--root', root, '--subset', '--epochs', '3', '--batch-size', '32', '--device', 'cpu', ...extra);
    const losses = numbers(out, /loss ([\d.]+)/g);
    expect(losses.length).toBe(3);
    expect(losses[2]).toBeLessThan(losses[0]!);
  }
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

test('lenet5-paper learns digits', () => {
  const out = run('lenet5-paper', '--epochs', '1', '--limit', '2000', '--batch-size', '16', '--device', 'cpu');
  const [accuracy] = numbers(out, /accuracy ([\d.]+)/g);
  expect(accuracy).toBeGreaterThan(60);
});
