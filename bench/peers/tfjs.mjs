// SPDX-License-Identifier: Apache-2.0
// Trains LeNet-5 on random images with tfjs in plain JavaScript, by the protocol of bench/worker.mjs.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const { network, batch, device, dtype, task } = JSON.parse(process.argv[2]);
if (!network.startsWith('lenet5') || device !== 'cpu' || dtype !== 'fp32') {
  console.log(JSON.stringify({ unavailable: 'the plain JavaScript peer runs lenet5 in fp32 on the CPU' }));
  process.exit();
}
const log = console.log;
console.log = console.warn = () => {}; // tfjs advertises on stdout, which belongs to the protocol
const tf = createRequire(new URL('../../build/bench-tfjs/', import.meta.url))('@tensorflow/tfjs');
await tf.setBackend('cpu');

const { conv2d, dense, flatten, maxPooling2d } = tf.layers;
const model = tf.sequential({
  layers: [
    conv2d({ filters: 6, kernelSize: 5, padding: 'same', activation: 'relu', inputShape: [28, 28, 1] }), maxPooling2d({ poolSize: 2 }),
    conv2d({ filters: 16, kernelSize: 5, activation: 'relu' }), maxPooling2d({ poolSize: 2 }),
    conv2d({ filters: 120, kernelSize: 5, activation: 'relu' }), flatten(),
    dense({ units: 84, activation: 'relu' }), dense({ units: 10 }),
  ],
});
const images = tf.randomUniform([batch, 28, 28, 1]);
const labels = tf.oneHot(tf.randomUniform([batch], 0, 10, 'int32'), 10);
const optimizer = tf.train.momentum(0.01, 0.9);
const step = () =>
  tf.tidy(() => {
    if (task === 'inference') model.predict(images).dataSync();
    else optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, model.apply(images, { training: true })));
  });

function measure(seconds) {
  const begin = performance.now();
  let steps = 0;
  let elapsed;
  do {
    step();
    steps++;
    elapsed = (performance.now() - begin) / 1000;
  } while (elapsed < seconds);
  return { steps, secondsPerStep: elapsed / steps, imagesPerSecond: (batch * steps) / elapsed };
}

measure(0.3);
log(JSON.stringify({ ready: true, version: tf.version.tfjs }));
for await (const line of createInterface({ input: process.stdin }))
  log(JSON.stringify({ ...measure(Number(line)), peakBytes: process.resourceUsage().maxRSS * 1024 }));
