// SPDX-License-Identifier: Apache-2.0
// `npm run bench -- --scaling`: how the time of a step grows with the batch and with the depth of a network.
import { measureInTurn, ratio } from './contender.mjs';
import { own, peer } from './peers.mjs';

const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const DEPTHS = ['resnet18', 'resnet34', 'resnet50'];

/** Reports each point as the table's results are, with the chosen peers; `--only` with one residual network means all depths, `--batch` is theirs. */
export async function measureScaling({ device, rounds, seconds, mode, dtype, peers, python, batch = 8, only }, report) {
  const points = [
    ...BATCHES.map((size) => ({ network: 'lenet5', batch: size })),
    ...DEPTHS.map((network) => ({ network, batch })),
  ].filter(({ network }) => only.some((name) => name === network || (DEPTHS.includes(name) && DEPTHS.includes(network))));
  for (const type of dtype)
    for (const point of points) {
      const spec = { ...point, device, dtype: type, task: 'training' };
      const ours = mode.map((one) => own({ ...spec, mode: one }));
      const theirs = peers.map((name) => peer(name, spec, python));
      const present = theirs.filter((one) => one.process);
      await measureInTurn([...ours, ...present], rounds, seconds);
      const rate = (one) => one.summary().imagesPerSecond;
      const best = present.filter((one) => one.isPyTorch && one.rounds.length).sort((a, b) => rate(b) - rate(a))[0];
      report({
        ...spec,
        ...(best && { best: best.label }),
        lenode: ours.map((one) => ({ ...one.summary(), ...(best && one.rounds.length && { ratio: ratio(one, best) }) })),
        peers: theirs.map((one) => (one.process ? one.summary() : { name: one.label, note: one.note })),
      });
    }
}
