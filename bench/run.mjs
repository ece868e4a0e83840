// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: speed and memory against PyTorch. Every contender runs in a process of its own; those of one network,
// task and type are measured in turn, round by round, so that a drift of the machine's speed meets all of them. Ratios
// are taken within a round.
import { parseArgs } from 'node:util';
import { Contender, measureInTurn, ratio } from './contender.mjs';
import { coreRoundTrip } from './cores.mjs';
import { networks } from './networks.mjs';
import { findPython } from './find-python.mjs';
import { gemm, own, peer, PEERS } from './peers.mjs';
import { environment, header, markdown, rows } from './report.mjs';
import { measureScaling } from './scaling.mjs';

const USAGE = `npm run bench -- [options]
  --only a,b           networks: ${Object.keys(networks).slice(0, 5).join(', ')},
                       ${Object.keys(networks).slice(5).join(', ')}
  --device cpu         cpu or cuda
  --batch n            images per step, instead of each network's own
  --dtype fp32,bf16    bf16 is autocast
  --mode eager,captured
  --task training,inference
  --peers pytorch,channels-last   also ${PEERS.slice(2).join(', ')}; none for no peers
  --rounds 5           measurements of each contender
  --seconds 2          length of one measurement, at least one step
  --python path        a Python with PyTorch (else LENODE_BENCH_PYTHON, build/bench-venv, python3)
  --scaling            how time grows with batch and depth, instead of the table
  --json, --markdown   the results in that form on stdout`;

function choice(name, text, known) {
  const chosen = text === 'none' && name === 'peers' ? [] : text.split(',');
  const unknown = chosen.filter((value) => !known.includes(value));
  if (unknown.length) throw new RangeError(`--${name}: unknown ${unknown.join(', ')}; there are ${known.join(', ')}`);
  return chosen;
}

function positive(name, text, isWhole) {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value) || (isWhole && !Number.isInteger(value)))
    throw new RangeError(`--${name}: expected a positive ${isWhole ? 'integer' : 'number'}, got ${text}`);
  return value;
}

function readOptions() {
  const text = (fallback) => ({ type: 'string', ...(fallback && { default: fallback }) });
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({
    options: {
      only: text(Object.keys(networks).join(',')), device: text('cpu'), batch: text(), rounds: text('5'), seconds: text('2'),
      dtype: text('fp32,bf16'), mode: text('eager,captured'), task: text('training,inference'),
      peers: text('pytorch,channels-last'), python: text(),
      scaling: flag, json: flag, markdown: flag, help: flag,
    },
  });
  return {
    ...values,
    only: choice('only', values.only, Object.keys(networks)),
    dtype: choice('dtype', values.dtype, ['fp32', 'bf16']),
    mode: choice('mode', values.mode, ['eager', 'captured']),
    task: choice('task', values.task, ['training', 'inference']),
    peers: choice('peers', values.peers, PEERS),
    batch: values.batch === undefined ? undefined : positive('batch', values.batch, true),
    rounds: positive('rounds', values.rounds, true),
    seconds: positive('seconds', values.seconds, false),
  };
}

async function measureNetwork(options, network, task, dtype) {
  const { device, rounds, seconds } = options;
  const batch = options.batch ?? networks[network][device === 'cpu' ? 'batch' : 'gpuBatch'];
  const spec = { network, device, batch, task, dtype };
  const ours = options.mode.map((mode) => own({ ...spec, mode }));
  const theirs = options.peers.map((name) => peer(name, spec, options.python));
  const peak = gemm({ device, dtype });
  const before = device === 'cpu' ? await coreRoundTrip() : undefined;
  await measureInTurn([...ours, ...theirs, peak].filter((one) => one instanceof Contender), rounds, seconds);
  const distances = before === undefined ? [] : [before, await coreRoundTrip()];

  const measured = theirs.filter((one) => one.rounds.length && one.isPyTorch);
  const best = measured.length ? measured.reduce((a, b) => (b.summary().imagesPerSecond > a.summary().imagesPerSecond ? b : a)) : undefined;
  const product = peak.rounds.length ? peak.info.multiplyAdds / (peak.summary().millisecondsPerStep / 1000) : undefined;
  // Backward are two products for one: those of the weights and of the inputs.
  const passes = task === 'training' ? 3 : 1;
  return {
    network, device, batch, task, dtype,
    ...(distances.length && { coreRoundTripNanoseconds: distances }),
    ...(product && { gemmMultiplyAddsPerSecond: product }),
    ...(best && { best: best.label }),
    lenode: ours.map((one) => {
      const summary = one.summary();
      if (!one.rounds.length) return summary;
      return {
        ...summary,
        ...(best && { ratio: ratio(one, best) }),
        ...(best && { memoryRatio: memory(summary) / memory(best.summary()) }),
        ...(product && { shareOfGemm: (summary.imagesPerSecond * one.info.multiplyAdds * passes) / product }),
      };
    }),
    peers: theirs.map((one) => (one instanceof Contender ? one.summary() : { name: one.label, note: one.note })),
  };
}

/** Of the device, where there is one beside the CPU. */
const memory = (summary) => summary.devicePeakBytes ?? summary.peakBytes;

/** @returns {Promise<number>} the exit status: 1 when something of lenode's own could not be measured */
async function run(options) {
  options.python = findPython(options.python);
  if (!options.python && options.peers.some((name) => name !== 'tfjs'))
    console.error('bench: no Python with PyTorch found, so there is nothing of its to compare with.\n' +
      '  python3 -m venv build/bench-venv && build/bench-venv/bin/pip install -r bench/peers/requirements.txt');
  const isText = !options.json && !options.markdown;
  const results = [];
  const print = (result) => {
    results.push(result);
    if (isText) console.log(rows(result).join('\n'));
  };
  if (options.scaling) await measureScaling(options, print);
  else {
    if (isText) console.log(header());
    for (const network of options.only)
      for (const task of options.task)
        for (const dtype of options.dtype) print(await measureNetwork(options, network, task, dtype));
  }
  if (options.json) console.log(JSON.stringify({ environment: environment(options), results }, null, 2));
  if (options.markdown) console.log(markdown(environment(options), results));
  return results.some((result) => result.lenode.some((one) => one.imagesPerSecond === undefined)) ? 1 : 0;
}

let options;
try {
  options = readOptions();
} catch (error) {
  console.error(`bench: ${error.message}\n${USAGE}`);
  process.exit(2);
}
if (options.help) console.log(USAGE);
else process.exitCode = await run(options);
