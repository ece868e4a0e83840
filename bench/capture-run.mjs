// SPDX-License-Identifier: Apache-2.0
// Whether a captured step gives what the plain one does, bit for bit, on a network of lib/models.
import { createHash } from 'node:crypto';
import { recipes } from './overfit-run.mjs';
import { lossOf } from './parity-run.mjs';

export const STEPS = 20;
const BATCH = 4;
const CLASSES = 10;

/** The exact values of a tensor. */
export const digest = (tensor) => {
  const values = tensor.dataSync();
  return createHash('sha1').update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)).digest('hex');
};

// The recipes switch it off.
const withDropout = (options) =>
  Object.fromEntries(Object.keys(options).filter((key) => key.startsWith('dropout')).map((key) => [key, 0.5]));

const halves = { bf16: 'bfloat16', fp16: 'float16' };
// So large at first that gradients overflow, then coming down fast, and up again until they do.
const SCALING = { initScale: 2 ** 60, backoffFactor: 2 ** -10, growthFactor: 2 ** 10, growthInterval: 3 };

/**
 * Trains with dropout and a one-cycle schedule; returns digests of the losses and of all that the steps changed, and how
 * many of them overflowed.
 */
function train(lenode, label, { device, dtype, wrap }) {
  const { amp, getRngState, manualSeed, models, optim, rand, randint } = lenode;
  const { name = label, input, options } = recipes[label];
  manualSeed(3);
  const model = models[name]({ numClasses: CLASSES, ...options, ...withDropout(options) }).to(device);
  const optimizer = new optim.SGD(model.parameters(), { lr: 1e-3, momentum: 0.9, weightDecay: 1e-4 });
  const scheduler = new optim.OneCycleLR(optimizer, 5e-3, { totalSteps: STEPS });
  const cast = halves[dtype] ? (body) => amp.autocast(halves[dtype], body) : (body) => body();
  const scaler = new amp.GradScaler({ ...SCALING, enabled: dtype === 'fp16' });
  const step = wrap((images, labels) => {
    optimizer.zeroGrad();
    const loss = cast(() => lossOf(lenode, model.forward(images), labels));
    scaler.scale(loss).backward();
    scaler.step(optimizer);
    scaler.update();
    scheduler.step();
    return loss;
  });
  const results = new Map();
  let leftOut = 0;
  for (let i = 0; i < STEPS; i++) {
    const images = rand([BATCH, ...input], { device });
    const scale = scaler.getScale();
    results.set(`loss of step ${i + 1}`, digest(step(images, randint(CLASSES, [BATCH], { device }))));
    results.set(`factor after step ${i + 1}`, scaler.getScale());
    if (scaler.getScale() < scale) leftOut++;
  }
  for (const [parameter, value] of model.namedParameters()) {
    results.set(parameter, digest(value));
    if (value.grad) results.set(`gradient of ${parameter}`, digest(value.grad));
  }
  for (const [buffer, value] of model.namedBuffers()) results.set(buffer, digest(value));
  results.set('random state', digest(getRngState(device)));
  return { results, leftOut };
}

/**
 * @returns {{ replayed: number, leftOut: number, differing: string[] }} the steps that were replayed, those that overflowed,
 * and what differs after all
 */
export function compareCaptured(lenode, label, { device = 'cpu', dtype = 'fp32' } = {}) {
  const { results: plain, leftOut } = train(lenode, label, { device, dtype, wrap: (step) => step });
  let captured;
  const { results: replayed } = train(lenode, label, { device, dtype, wrap: (step) => (captured = lenode.capture(step)) });
  const { counts } = captured;
  captured.dispose();
  const differing = [...plain.keys()].filter((key) => plain.get(key) !== replayed.get(key));
  return { replayed: counts.replayed, leftOut, differing };
}
