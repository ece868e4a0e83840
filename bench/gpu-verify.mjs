// SPDX-License-Identifier: Apache-2.0
// `./lenode gpu-verify` in the unpacked bundle (or node bench/gpu-verify.mjs): what docs/gpu-verification.md needs, on a
// machine with a GPU. One part's failure leaves the others alone; everything ends before the time is up.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const node = process.execPath;
const cli = path.join(root, 'dist/cli/main.js');
const bench = path.join(root, 'bench/run.mjs');

const { values: options } = parseArgs({
  options: {
    device: { type: 'string', default: 'cuda' },
    parts: { type: 'string' },
    minutes: { type: 'string', default: '9.5' },
    out: { type: 'string', default: 'gpu-verification' },
    small: { type: 'boolean', default: false }, // short measurements of small batches: to try the script itself
  },
});
const onGpu = options.device.startsWith('cuda');
const benchFlags = ['--device', options.device, '--json', '--task', 'training',
  ...(options.small ? ['--rounds', '1', '--seconds', '0.3'] : ['--rounds', '5', '--seconds', '2'])];
const peers = onGpu ? 'pytorch,channels-last,compile,cuda-graphs' : 'pytorch,channels-last';
const big = (name) => [bench, '--only', name, '--dtype', 'bf16', '--peers', peers, ...benchFlags, ...(options.small ? ['--batch', '1'] : [])];

// In the order of their worth, with the seconds that each may take at most.
const parts = {
  doctor: { limit: 30, command: [node, cli, 'doctor', '--json'] },
  selftest: { limit: 240, command: [node, cli, 'selftest', '--device', options.device, '--json'] },
  train: { limit: 90, command: [node, cli, 'train', '--device', options.device, '--json', '--out', path.join(options.out, 'runs'),
    ...(options.small ? ['--epochs', '1'] : [])] },
  lenet5: { limit: 180, command: [bench, '--only', 'lenet5', '--dtype', 'fp32', '--peers', `${peers},jax`, ...benchFlags] },
  resnet50: { limit: 240, command: big('resnet50') },
  vgg16: { limit: 240, command: big('vgg16') },
  sanitizer: { limit: 180, sanitize: true, command: [node, path.join(root, 'bench/small-step.mjs'), options.device] },
};
for (const part of Object.values(parts)) if (part.command[0] === bench) part.command.unshift(node);

const chosen = options.parts?.split(',') ?? Object.keys(parts);
const unknown = chosen.filter((name) => !parts[name]);
const minutes = Number(options.minutes);
if (unknown.length || !(minutes > 0)) {
  console.error(unknown.length
    ? `gpu-verify: unknown part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`
    : `gpu-verify: --minutes: expected a positive number, got ${options.minutes}`);
  process.exit(2);
}
const deadline = performance.now() + minutes * 60_000;

/** Runs a command in a group of its own, so that at the limit what it started ends with it. */
function execute([program, ...args], seconds) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr, late] = ['', '', false];
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr = (stderr + text).slice(-4000)));
    const timer = setTimeout(() => {
      late = true;
      process.kill(-child.pid, 'SIGKILL');
    }, seconds * 1000);
    const end = (status) => {
      clearTimeout(timer);
      resolve({ status, late, stdout, stderr });
    };
    child.on('error', (error) => ((stderr = error.message), end(-1)));
    child.on('close', end);
  });
}

/** The JSON that a command printed: all of its output, or its last line. */
function parse(text) {
  for (const candidate of [text, text.trim().split('\n').at(-1)])
    try {
      return JSON.parse(candidate);
    } catch {
      // not this one
    }
  return undefined;
}

async function runPart(name) {
  const { command, limit, sanitize } = parts[name];
  if (sanitize && (!onGpu || spawnSync('compute-sanitizer', ['--version']).status !== 0))
    return { outcome: 'skipped', reason: onGpu ? 'there is no compute-sanitizer' : 'not on a GPU' };
  const seconds = Math.min(limit, (deadline - performance.now()) / 1000);
  if (seconds < 5) return { outcome: 'skipped', reason: 'the time was up: run this part by --parts' };
  const begin = performance.now();
  const whole = sanitize ? ['compute-sanitizer', '--error-exitcode', '9', ...command] : command;
  const { status, late, stdout, stderr } = await execute(whole, seconds);
  const result = parse(stdout);
  return {
    outcome: late ? 'out of time' : status === 0 ? 'passed' : 'failed',
    seconds: +((performance.now() - begin) / 1000).toFixed(1),
    ...(result !== undefined && { result }),
    ...((late || status !== 0) && { status, tail: `${result === undefined ? stdout.slice(-2000) : ''}${stderr}`.trim() }),
    ...(sanitize && { tail: stdout.trim().split('\n').slice(-3).join('\n') }),
  };
}

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');

function describe(name, { result, reason, tail }) {
  if (reason) return reason;
  if (result === undefined) return tail?.split('\n').at(-1) ?? '';
  if (name === 'doctor') return result.cuda.gpus.map((gpu) => gpu.name).join(', ') || result.cpu.name;
  if (name === 'selftest') return `${result.cases - result.failed.length} of ${result.cases} cases`;
  if (name === 'train') return `test accuracy ${(100 * result.testAccuracy).toFixed(2)} %, ${result.trainSeconds.toFixed(2)} s of training`;
  return result.results.flatMap(({ lenode }) => lenode)
    .map((one) => `${one.name} ${one.imagesPerSecond === undefined ? one.note : `${Math.round(one.imagesPerSecond)} images/s`}`).join('; ');
}

function peerTable(records) {
  const lines = ['| network | batch | type | who | images/s | lenode captured to this |', '|---|--:|---|---|--:|--:|'];
  for (const { result } of Object.values(records))
    for (const { network, batch, dtype, lenode, peers: others } of result?.results ?? []) {
      const own = lenode.find((one) => one.name === 'lenode captured');
      for (const one of [...lenode, ...others]) {
        const share = one === own || !own?.imagesPerSecond || !one.imagesPerSecond ? '' : (own.imagesPerSecond / one.imagesPerSecond).toFixed(2);
        lines.push(`| ${[network, batch, dtype, one.name, one.imagesPerSecond ? Math.round(one.imagesPerSecond) : one.note ?? '', share].map(cell).join(' | ')} |`);
      }
    }
  return lines.length > 2 ? lines : [];
}

function markdown(records) {
  const lines = [`## ${new Date().toISOString().slice(0, 10)}, ${options.device}${options.small ? ', small sizes' : ''}`, '',
    '| part | outcome | seconds | result |', '|---|---|--:|---|'];
  for (const [name, record] of Object.entries(records))
    lines.push(`| ${[name, record.outcome, record.seconds ?? '', describe(name, record)].map(cell).join(' | ')} |`);
  return [...lines, '', ...peerTable(records), ''].join('\n');
}

mkdirSync(options.out, { recursive: true });
const records = {};
for (const name of chosen) {
  process.stderr.write(`${name}: `);
  try {
    records[name] = await runPart(name);
  } catch (error) {
    records[name] = { outcome: 'failed', reason: String(error) };
  }
  process.stderr.write(`${records[name].outcome}\n`);
  // After each part, so that what is known survives whatever ends this process.
  writeFileSync(path.join(options.out, 'results.json'), JSON.stringify({ device: options.device, small: options.small, parts: records }, null, 2));
  let text;
  try {
    text = markdown(records);
  } catch (error) {
    text = `results.json could not be described: ${error}\n`;
  }
  writeFileSync(path.join(options.out, 'section.md'), text);
}
console.log(`${options.out}/results.json, ${options.out}/section.md`);
if (Object.values(records).some(({ outcome }) => outcome === 'failed' || outcome === 'out of time')) process.exitCode = 1;
