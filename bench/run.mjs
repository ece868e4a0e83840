// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: training speed against PyTorch. Every contender runs in a process of its own; they are measured in
// turn, round by round, so that a drift of the machine's speed meets all of them. Ratios are taken within a round.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findPython } from './find-python.mjs';
import { networks } from './networks.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    batch: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    python: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

class Contender {
  constructor(label, command, args) {
    this.label = label;
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    this.rounds = [];
  }
  async answer() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.label} ended early`);
    return JSON.parse(value);
  }
  async measure(seconds) {
    this.process.stdin.write(`${seconds}\n`);
    this.rounds.push(await this.answer());
  }
  close() {
    this.process.stdin.end();
  }
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

async function measureNetwork(name, python) {
  const batch = String(options.batch ?? networks[name].batch);
  const contenders = ['captured', 'eager'].map(
    (mode) => new Contender(`lenode ${mode}`, process.execPath, [here('worker.mjs'), name, options.device, batch, mode]),
  );
  if (python)
    for (const mode of ['plain', 'channels-last'])
      contenders.push(new Contender(`PyTorch ${mode}`, python, [here('peers/pytorch.py'), name, options.device, batch, mode]));
  for (const contender of contenders) contender.info = await contender.answer();
  for (let round = 0; round < Number(options.rounds); round++)
    for (const contender of contenders) await contender.measure(Number(options.seconds));
  for (const contender of contenders) contender.close();

  const [own, eager, ...peers] = contenders;
  const rates = (contender) => contender.rounds.map((r) => r.imagesPerSecond);
  const best = peers.length ? peers.reduce((a, b) => (median(rates(b)) > median(rates(a)) ? b : a)) : undefined;
  return {
    network: name,
    batch: Number(batch),
    device: options.device,
    imagesPerSecond: median(rates(own)),
    millisecondsPerStep: 1000 * median(own.rounds.map((r) => r.secondsPerStep)),
    peakBytes: own.rounds.at(-1).peakBytes,
    // Without capture(), and what capture() gains.
    eager: {
      imagesPerSecond: median(rates(eager)),
      millisecondsPerStep: 1000 * median(eager.rounds.map((r) => r.secondsPerStep)),
      peakBytes: eager.rounds.at(-1).peakBytes,
    },
    gain: median(own.rounds.map((r, i) => r.imagesPerSecond / eager.rounds[i].imagesPerSecond)),
    peers: peers.map((peer) => ({
      name: peer.label,
      version: peer.info.version,
      threads: peer.info.threads,
      imagesPerSecond: median(rates(peer)),
      millisecondsPerStep: 1000 * median(peer.rounds.map((r) => r.secondsPerStep)),
      peakBytes: peer.rounds.at(-1).peakBytes,
    })),
    // Median of the rounds' ratios to PyTorch's better mode.
    ratio: best && median(own.rounds.map((r, i) => r.imagesPerSecond / best.rounds[i].imagesPerSecond)),
    eagerRatio: best && median(eager.rounds.map((r, i) => r.imagesPerSecond / best.rounds[i].imagesPerSecond)),
  };
}

const names = options.only ? options.only.split(',') : Object.keys(networks);
const unknown = names.filter((name) => !networks[name]);
if (unknown.length) {
  console.error(`bench: unknown network ${unknown.join(', ')}; there are ${Object.keys(networks).join(', ')}`);
  process.exit(2);
}
const python = findPython(options.python);
if (!python)
  console.error('bench: no Python with PyTorch found, so there is nothing to compare with.\n' +
    '  python3 -m venv build/bench-venv && build/bench-venv/bin/pip install -r bench/peers/requirements.txt');

const results = [];
for (const name of names) {
  const result = await measureNetwork(name, python);
  results.push(result);
  if (options.json) continue;
  console.log(`${result.network}, batch ${result.batch}, ${result.device}`);
  for (const row of [{ name: 'lenode captured', ...result }, { name: 'lenode eager', ...result.eager }, ...result.peers])
    console.log(
      `  ${row.name.padEnd(22)} ${Math.round(row.imagesPerSecond).toString().padStart(8)} images/s ` +
        `${row.millisecondsPerStep.toFixed(2).padStart(9)} ms/step ${(row.peakBytes / 2 ** 20).toFixed(0).padStart(6)} MiB`,
    );
  console.log(`  captured to eager: ${result.gain.toFixed(2)}`);
  if (result.ratio)
    console.log(`  ratio to PyTorch's better mode: ${result.ratio.toFixed(2)} captured, ${result.eagerRatio.toFixed(2)} eager`);
}
if (options.json) console.log(JSON.stringify(results, null, 2));
