// SPDX-License-Identifier: Apache-2.0
// Results as lines of at most 80 columns and as Markdown.
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';

const memory = (one) => one.devicePeakBytes ?? one.peakBytes;
const rate = (x) => (x >= 100 ? Math.round(x).toString() : x.toPrecision(3));
const fixed = (x, digits = 2) => (x === undefined ? '' : x.toFixed(digits));
const percent = (x) => (x === undefined ? '' : `${(100 * x).toFixed(0)} %`);

export const header = () =>
  `${''.padEnd(22)}${'images/s'.padStart(10)}${'ms/step'.padStart(10)}${'ratio'.padStart(8)}${'GEMM'.padStart(8)}` +
  `${'MiB'.padStart(8)}${'mem.'.padStart(7)}`;

/** What one network, task and type gave. */
export function rows({ network, batch, device, task, dtype, lenode, peers, coreRoundTripNanoseconds: distances }) {
  const cores = distances ? `; cores ${distances.map((ns) => ns.toFixed(0)).join(', then ')} ns apart` : '';
  const title = `${network}, batch ${batch}, ${dtype}, ${task}, ${device}${cores}`;
  return [title, ...[...lenode, ...peers].flatMap(row)];
}

function row(one) {
  const name = `  ${one.name.padEnd(20)}`;
  const note = one.note === undefined ? [] : wrap(one.note, 74).map((line) => `      ${line}`);
  if (one.imagesPerSecond === undefined) return [`${name} not measured`, ...note];
  const cells = [
    rate(one.imagesPerSecond).padStart(10), fixed(one.millisecondsPerStep).padStart(10), fixed(one.ratio).padStart(8),
    percent(one.shareOfGemm).padStart(8), (memory(one) / 2 ** 20).toFixed(0).padStart(8), fixed(one.memoryRatio).padStart(7),
  ];
  return [name + cells.join(''), ...note];
}

function wrap(text, width) {
  const lines = [''];
  for (const word of text.split(/\s+/).flatMap((part) => part.match(new RegExp(`.{1,${width}}`, 'g')) ?? []))
    if (!lines.at(-1)) lines[lines.length - 1] = word;
    else if (lines.at(-1).length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] += ` ${word}`;
  return lines;
}

/** What a reader must know to compare two tables. */
export function environment({ device, rounds, seconds }) {
  return {
    cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), memoryBytes: totalmem(), node: process.version,
    device, rounds, seconds, date: new Date().toISOString().slice(0, 10), commit: commit(),
  };
}

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined; // a bundle has no history
  }
}

const geometricMean = (values) => Math.exp(values.reduce((s, x) => s + Math.log(x), 0) / values.length);

export function markdown(place, results) {
  const lines = [
    `${place.cpu}, ${place.cores} cores, ${place.device}; Node ${place.node}; ` +
      `${place.commit ? `commit ${place.commit}, ` : ''}${place.date}; median of ${place.rounds} rounds of ${place.seconds} s.`,
    '',
    '| network | batch | type | task | mode | images/s | PyTorch | ratio | of GEMM | MiB | PyTorch MiB |',
    '|---|--:|---|---|---|--:|--:|--:|--:|--:|--:|',
  ];
  for (const { network, batch, dtype, task, lenode, peers, best } of results) {
    const other = peers.find((one) => one.name === best);
    for (const one of lenode) {
      const theirs = other ? `${rate(other.imagesPerSecond)} (${other.name.replace('PyTorch ', '')})` : '';
      const cells = one.imagesPerSecond === undefined
        ? [one.note, theirs, '', '', '', '']
        : [rate(one.imagesPerSecond), theirs, fixed(one.ratio), percent(one.shareOfGemm),
            (memory(one) / 2 ** 20).toFixed(0), other ? (memory(other) / 2 ** 20).toFixed(0) : ''];
      lines.push(`| ${[network, batch, dtype, task, one.name.replace('lenode ', ''), ...cells].join(' | ')} |`);
    }
  }
  lines.push('', ...means(results));
  const distances = results.flatMap(({ coreRoundTripNanoseconds }) => coreRoundTripNanoseconds ?? []);
  if (distances.length)
    lines.push(`Cores ${Math.min(...distances).toFixed(0)} to ${Math.max(...distances).toFixed(0)} ns apart (bench/cores.mjs).  `);
  const notes = results.flatMap(({ network, dtype, task, lenode, peers }) =>
    [...lenode, ...peers].filter((one) => one.note !== undefined).map((one) => `- ${network}, ${dtype}, ${task}: ${one.name}: ${one.note}`));
  if (notes.length) lines.push('', ...notes);
  return lines.join('\n');
}

function means(results) {
  const groups = new Map();
  for (const { dtype, task, lenode } of results)
    for (const one of lenode.filter(({ ratio }) => ratio !== undefined)) {
      const key = `${dtype} ${task}, ${one.name.replace('lenode ', '')}`;
      groups.set(key, [...(groups.get(key) ?? []), one.ratio]);
    }
  return [...groups].map(([key, ratios]) => `Geometric mean of the ratios, ${key}: ${geometricMean(ratios).toFixed(2)} (${ratios.length} networks).  `);
}
