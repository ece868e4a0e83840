// SPDX-License-Identifier: Apache-2.0
// What is left of a save that fails, or whose process is killed, and what its error says.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FileError, full, nn, openWeights, save, saveCheckpoint, saveSafetensors, tensor, type Tensor, visualize } from '../lib/index.js';
import { writeAtomically } from '../lib/io/atomic.js';

const folder = mkdtempSync(join(tmpdir(), 'lenode-saving-'));
afterAll(() => rmSync(folder, { recursive: true }));
const values = (value: number): Record<string, Tensor> => ({ a: full([4], value), b: full([4], value), c: full([4], value) });
async function inIt(path: string): Promise<unknown[]> {
  await using file = await openWeights(path);
  return Promise.all(Object.keys(values(0)).map(async (name) => (await file.tensor(name)).select(0, 0).item()));
}

test.each<[string, (path: string) => Promise<unknown>]>([
  ['saveSafetensors', (path) => saveSafetensors(path, values(1))],
  ['in shards', (path) => saveSafetensors(path, values(1), { maxShardBytes: 16 })],
  ['save', (path) => save(path, values(1))],
  ['saveCheckpoint', (path) => saveCheckpoint(path, { model: new nn.Linear(2, 2) })],
])('%s: what the system refuses is a FileError that names the target', async (_, write) => {
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  mkdirSync(join(folder, 'taken', 'full'), { recursive: true });
  for (const path of [join(folder, 'missing', 'a.bin'), join(file, 'a.bin'), join(folder, 'taken')]) {
    const error = await write(path).then(() => null, (e: unknown) => e as Error);
    if (error === null) continue; // shards have names of their own
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toMatch(/cannot be written: E[A-Z]+: /);
    expect(error.message.startsWith(path.slice(0, -4))).toBe(true);
    expect(error.message).not.toContain('.tmp');
    expect(error.cause).toBeInstanceOf(Error);
  }
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('pictures and pages: so are theirs', async () => {
  const picture = visualize.imagePicture(new Float32Array(48), [3, 4, 4]);
  const error = await picture.save('/dev/null/picture.png').catch((e: unknown) => e as Error);
  expect(error).toBeInstanceOf(FileError);
  expect((error as Error).message).toMatch(/^\/dev\/null\/picture.png cannot be written/);
});

test('temporary files of killed savers go with the next save; those of living ones stay', async () => {
  const place = mkdtempSync(join(folder, 'killed-'));
  const path = join(place, 'a.safetensors');
  const { pid } = spawnSync(process.execPath, ['-e', '']); // has ended
  const sleeper = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)']);
  await once(sleeper, 'spawn');
  const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
  const [dead, alive, elsewhere, ancient, others] = [
    `a.safetensors.${host}-${pid}-0123abcd.tmp`, `a.safetensors.${host}-${sleeper.pid}-0123abcd.tmp`, `a.safetensors.00000000-${pid}-0123abcd.tmp`,
    `a.safetensors.${pid}-0123abcd.tmp`, `b.safetensors.${host}-${pid}-0123abcd.tmp`,
  ];
  for (const name of [dead, alive, elsewhere, ancient, others]) writeFileSync(join(place, name), 'half');
  utimesSync(join(place, ancient), 1, 1);
  await saveSafetensors(path, values(1));
  sleeper.kill();
  expect(readdirSync(place).sort()).toEqual(['a.safetensors', alive, elsewhere, others].sort());
});

test('shards over older ones: a failure leaves the old weights, success nothing of them', async () => {
  const place = mkdtempSync(join(folder, 'shards-'));
  const path = join(place, 'm.safetensors');
  const index = await saveSafetensors(path, values(1), { maxShardBytes: 16 });
  expect(readdirSync(place)).toEqual([1, 2, 3].map((n) => `m-0000${n}-of-00003.safetensors`).concat('m.safetensors.index.json'));
  const gone = tensor([3]);
  gone.dispose();
  await expect(saveSafetensors(path, { ...values(2), c: gone }, { maxShardBytes: 16 })).rejects.toThrow(/dispose/);
  expect(await inIt(index)).toEqual([1, 1, 1]);
  await saveSafetensors(path, values(3), { maxShardBytes: 32 });
  expect(await inIt(index)).toEqual([3, 3, 3]);
  expect(readdirSync(place)).toHaveLength(3); // those of the failed save are gone, too
  await saveSafetensors(path, values(4));
  expect(readdirSync(place)).toEqual(['m.safetensors']);
  await saveSafetensors(path, values(5), { maxShardBytes: 16 });
  expect(readdirSync(place)).not.toContain('m.safetensors');
});

test('a folder that cannot be written to', async () => {
  const place = mkdtempSync(join(folder, 'locked-'));
  chmodSync(place, 0o500);
  const result = await writeAtomically(join(place, 'a'), async () => undefined).then(() => 'written', (e: unknown) => e);
  chmodSync(place, 0o700);
  if (process.getuid?.() === 0) expect(result).toBe('written'); // root may
  else expect(result).toBeInstanceOf(FileError);
});
