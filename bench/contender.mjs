// SPDX-License-Identifier: Apache-2.0
// What is measured, each in a process of its own that answers lines on stdin with lines of JSON.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A step slower than this many seconds is measured in the first round only. */
const SLOW = 10;

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

export class Contender {
  /** Why there are no figures, or what is special about them. */
  note;
  rounds = [];

  constructor(label, [command, ...args], spec) {
    this.label = label;
    this.process = spawn(command, [...args, JSON.stringify(spec)], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.errors = '';
    this.process.stderr.on('data', (text) => (this.errors = (this.errors + text).slice(-2000)));
    this.process.stdin.on('error', () => {}); // a process that has ended: answer() says so
    // 'exit', not 'close': a compiler's helpers may keep the pipes open.
    this.ended = new Promise((resolve) => this.process.on('exit', resolve).on('error', resolve));
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  get usable() {
    return this.note === undefined || this.rounds.length > 0;
  }

  async #answer() {
    const { value, done } = await this.lines.next();
    if (!done) return JSON.parse(value);
    await this.ended;
    const lines = this.errors.trim().split('\n');
    return { unavailable: lines.find((line) => /^\w*Error\b/.test(line)) ?? (lines.at(-1) || 'the process ended early') };
  }

  /** Waits until it is warm. */
  async start() {
    this.info = await this.#answer();
    this.note = this.info.unavailable;
  }

  async measure(seconds) {
    if (this.note !== undefined) return;
    this.process.stdin.write(`${seconds}\n`);
    const result = await this.#answer();
    if (result.unavailable !== undefined) {
      this.note = result.unavailable;
      return;
    }
    this.rounds.push(result);
    if (result.secondsPerStep > SLOW) this.note = `${result.secondsPerStep.toFixed(0)} s a step: measured once`;
  }

  async close() {
    this.process.stdin.end();
    await this.ended;
  }

  summary() {
    const { rounds, info } = this;
    const base = { name: this.label, ...(this.note !== undefined && { note: this.note }) };
    if (!rounds.length) return base;
    return {
      ...base,
      ...(info.version && { version: info.version }),
      ...(info.threads && { threads: info.threads }),
      steps: rounds.reduce((n, round) => n + round.steps, 0),
      imagesPerSecond: median(rounds.map((round) => round.imagesPerSecond)),
      millisecondsPerStep: 1000 * median(rounds.map((round) => round.secondsPerStep)),
      peakBytes: rounds.at(-1).peakBytes,
      ...(rounds.at(-1).devicePeakBytes && { devicePeakBytes: rounds.at(-1).devicePeakBytes }),
      rounds: rounds.map((round) => round.imagesPerSecond),
    };
  }
}

/** Round by round, so that a drift of the machine's speed meets all of them. */
export async function measureInTurn(contenders, rounds, seconds) {
  for (const contender of contenders) await contender.start();
  for (let round = 0; round < rounds; round++) for (const contender of contenders) await contender.measure(seconds);
  await Promise.all(contenders.map((contender) => contender.close()));
}

/** Median of the rounds' ratios of images per second. */
export function ratio(own, peer) {
  return median(own.rounds.map((round, i) => round.imagesPerSecond / (peer.rounds[i] ?? peer.rounds.at(-1)).imagesPerSecond));
}
