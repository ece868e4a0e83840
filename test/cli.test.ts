// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { F, models, optim, rand, randint } from '../lib/index.js';

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'lenode-cli-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function lenode(...args: string[]) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder });
  return { stdout, stderr, status, last: stdout.trimEnd().split('\n').at(-1)! };
}

test('train: one epoch of LeNet-5, then a second from its checkpoint', { timeout: 300_000 }, () => {
  const first = lenode('train', '--epochs', '1', '--device', 'cpu', '--json', '--seed', '1');
  expect(first.stderr).toBe('');
  expect(first.status).toBe(0);
  const result = JSON.parse(first.last);
  expect(result).toMatchObject({ model: 'lenet5', dataset: 'MNIST', device: 'cpu', epochs: 1 });
  expect(result.testAccuracy).toBeGreaterThan(0.97);
  expect(result.imagesPerSecond).toBeGreaterThan(0);
  expect(result.peakMemoryBytes).toBeGreaterThan(0);
  expect(first.stdout).toMatch(/lenet5: 61,706 parameters on cpu\nepoch 1\/1 {2}loss 0\.\d{4} {2}accuracy 9\d\.\d\d %/);

  const checkpoint = join(folder, 'runs', 'lenet5-seed1', 'checkpoint.safetensors');
  const second = lenode('train', '--epochs', '1', '--device', 'cpu', '--json', '--seed', '1', '--resume', checkpoint);
  expect(second.status).toBe(0);
  // Nothing is left to train: the loaded model is tested as it is.
  expect(JSON.parse(second.last)).toMatchObject({ epochs: 0, testAccuracy: result.testAccuracy });

  expect(readFileSync(join(folder, result.page), 'utf8')).toContain('features.0');
  // A bright bar on black: a one.
  const image = Buffer.concat([Buffer.from('P5 28 28 255\n'), Buffer.from(Array.from({ length: 784 }, (_, i) => (i % 28 > 12 && i % 28 < 16 ? 255 : 0)))]);
  writeFileSync(join(folder, 'one.pgm'), image);
  const seen = lenode('visualize', checkpoint, '--image', 'one.pgm', '--out', 'seen');
  expect(seen.stderr).toBe('');
  expect(readFileSync(join(folder, 'seen', 'index.html'), 'utf8')).toContain('lenet5');
  for (const file of ['saliency.png', 'maps/features.0.png', 'filters/features.3.png']) expect(existsSync(join(folder, 'seen', file))).toBe(true);
});

test('train: in float16, with a scaler that its checkpoint has', { timeout: 300_000 }, () => {
  const train = (...more: string[]) => lenode('train', '--amp', 'float16', '--epochs', '1', '--device', 'cpu', '--json', '--seed', '2', ...more);
  const first = train();
  expect(first).toMatchObject({ stderr: '', status: 0 });
  const result = JSON.parse(first.last);
  expect(result.testAccuracy).toBeGreaterThan(0.97);
  const second = train('--resume', join(folder, 'runs', 'lenet5-seed2', 'checkpoint.safetensors'));
  expect(JSON.parse(second.last)).toMatchObject({ epochs: 0, testAccuracy: result.testAccuracy });
  const other = train('--resume', join(folder, 'runs', 'lenet5-seed1', 'checkpoint.safetensors'));
  expect(other.status).toBe(1);
  expect(other.stderr).toContain('there is no scaler in it');
});

test('summary: a table, and JSON', () => {
  const table = lenode('summary', 'lenet5');
  expect(table).toMatchObject({ stderr: '', status: 0 });
  expect(table.stdout).toMatch(/6: Conv2d +\[1, 120, 1, 1\] +48\.1 k/);
  expect(lenode('summary', 'lenet5', '--depth', '1').stdout).not.toContain('6: Conv2d');
  const { last, status } = lenode('summary', 'mnist-cnn', '--input', '2,1,28,28', '--json');
  expect(status).toBe(0);
  expect(JSON.parse(last)).toMatchObject({ model: 'MnistCnn', inputShapes: [[2, 1, 28, 28]], totals: { inputBytes: 2 * 784 * 4 } });
});

test.each([
  [['summary', 'nothing'], "no model 'nothing'; there are"],
  [['summary', 'lenet5', '--input', '1,x'], '1,3,224,224'],
  [['summary', 'lenet5', '--input', '1,3,28,28'], 'images [N, 1, 28, 28]'],
  [['train', '--epochs', '0'], 'positive integer'],
  [['train', '--model', 'nothing'], 'lenet5, mnist-cnn'],
  [['train', '--lr', 'x'], 'positive number'],
  [['train', '--amp', 'float8'], 'bfloat16, float16'],
  [['train', '--device', 'tpu'], "expected 'cpu', 'cuda'"],
  [['train', '--resume', 'nowhere.safetensors', '--device', 'cpu'], 'nowhere.safetensors'],
  [['visualize', 'nowhere.safetensors', '--image', 'x.png', '--out', 'out'], 'nowhere.safetensors'],
  [['visualize', main, '--image', 'x.png', '--out', 'out', '--model', 'nothing'], 'there are alexnet'],
  [['visualize', main, '--image', 'x.png', '--out', 'out', '--model', 'lenet5'], 'main.js'],
  [['train', '--data', 'here', '--device', 'cpu', '--resume', main], 'main.js'],
])('%j says what is wrong and fails', (args, message) => {
  const { stderr, status } = lenode(...args);
  expect(status).toBe(1);
  expect(stderr).toContain(message);
  expect(stderr).not.toContain('    at ');
});

test('selftest: the chosen cases pass, none at all is a failure', () => {
  const { status, last } = lenode('selftest', '--device', 'cpu', '--only', 'relu', '--json');
  expect(status).toBe(0);
  expect(JSON.parse(last)).toMatchObject({ device: 'cpu', failed: [] });
  expect(JSON.parse(last).cases).toBeGreaterThan(3);
  expect(lenode('selftest', '--device', 'cpu', '--only', 'no such case').status).toBe(1);
});

test('the event loop turns while losses are awaited', async () => {
  const model = models.lenet5();
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
  const [images, labels] = [rand([64, 1, 28, 28]), randint(0, 10, [64])];
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  for (let i = 0; i < 100; i++) {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model.forward(images), labels);
    loss.backward();
    optimizer.step();
    await loss.item();
  }
  clearInterval(timer);
  // bench/event-loop.mjs measures the delay; here it only must not be that no timer ever runs between the losses.
  expect(turns).toBeGreaterThan(5);
});
