// SPDX-License-Identifier: Apache-2.0
// Images per second of an ImageFolder with an ImageNet recipe, and memory over epochs: node bench/data.mjs [workers] [epochs]
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import sharp from 'sharp';
import { data, DataLoader, datasets, transforms as T } from '../dist/index.js';

const workers = Number(process.argv[2] ?? 2);
const epochs = Number(process.argv[3] ?? 5);
const COUNT = 128;
const root = mkdtempSync(join(tmpdir(), 'lenode-bench-'));
try {
  // Smooth pictures of the usual size: noise would take longer to decode than photographs do.
  for (let i = 0; i < COUNT; i++) {
    const random = new data.Generator(i);
    mkdirSync(join(root, `class${i % 4}`), { recursive: true });
    const small = Buffer.from(Uint8Array.from({ length: 3 * 25 * 19 }, () => random.below(256)));
    const photo = await sharp(small, { raw: { width: 25, height: 19, channels: 3 } }).resize(500, 375).jpeg({ quality: 90 }).toBuffer();
    writeFileSync(join(root, `class${i % 4}`, `${i}.jpg`), photo);
  }
  const transform = new T.Compose([
    new T.RandomResizedCrop(224),
    new T.RandomHorizontalFlip(),
    new T.ToDtype('float32', { scale: true }),
    new T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
  ]);
  const dataset = await datasets.ImageFolder.load(root, { transform });
  const loader = new DataLoader(dataset, { batchSize: 16, shuffle: true, seed: 1, numWorkers: workers, persistentWorkers: workers > 0 });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  for (let epoch = 0; epoch < epochs; epoch++) {
    delay.reset();
    delay.enable();
    const start = performance.now();
    for await (const [images] of loader) if (images.shape[1] !== 3) throw new Error('no image');
    const seconds = (performance.now() - start) / 1000;
    delay.disable();
    const rss = (process.memoryUsage.rss() / 2 ** 20).toFixed(0);
    console.log(
      `epoch ${epoch}: ${(COUNT / seconds).toFixed(0)} images/s, event loop p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms, resident ${rss} MiB`,
    );
  }
  await loader.close();
} finally {
  rmSync(root, { recursive: true });
}
