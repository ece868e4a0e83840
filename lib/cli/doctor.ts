// SPDX-License-Identifier: Apache-2.0
// `lenode doctor`: what works here, what does not, and what to do about it.
import type { Command } from 'commander';
import { diagnose, type Diagnosis } from '../native/doctor.js';
import type { CudaLibrary } from '../native/cuda.js';
import { formatBytes } from '../native/run.js';

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('say what this machine offers, what is missing, and the remedy')
    .option('--json', 'print the findings as one JSON object')
    .action((options: { json?: boolean }) => {
      const diagnosis = diagnose();
      const width = Math.max(40, Math.min(process.stdout.columns ?? (Number(process.env.COLUMNS) || 80), 110));
      console.log(options.json ? JSON.stringify(diagnosis, null, 2) : report(diagnosis, width));
      if (diagnosis.problems.some((problem) => problem.fatal)) process.exitCode = 1;
    });
}

/** The findings as text of at most `width` columns, where no path or name is longer than that. */
export function report(diagnosis: Diagnosis, width: number): string {
  const { cpu, cuda, node, addon } = diagnosis;
  const lines: string[] = [`lenode ${diagnosis.lenode}`];
  const row = (label: string, text: string) => lines.push(...wrap(text, width, label.padEnd(11), ' '.repeat(11)));

  row('Node', `${node.version}, ${diagnosis.platform}`);
  row('Addon', `${addon.loaded ? '' : 'not loaded: '}${addon.path}`);
  row('CPU', `${cpu.name}${cpu.usable ? '' : ' (unusable)'}`);
  if (cpu.usable) {
    row('Threads', `${cpu.threads} of ${cpu.cores} cores`);
    row('oneDNN', `${cpu.onednnVersion}, ${cpu.isa}`);
  }
  row('Memory', `${formatBytes(cpu.memoryBytes)}, ${formatBytes(cpu.freeMemoryBytes)} free`);
  if (addon.loaded) {
    lines.push('');
    row('CUDA', cuda.available ? 'available' : 'not available');
    for (const gpu of cuda.gpus)
      row('GPU', `${gpu.name}, compute capability ${gpu.computeCapability}, ${formatBytes(gpu.memoryBytes)}`);
    if (!cuda.gpus.length) row('GPU', cuda.gpuPresent ? 'there is one' : 'none found');
    const { driver, backend } = cuda;
    row('Driver', driver.found ? [driver.version, driver.cudaVersion && `CUDA ${driver.cudaVersion}`, driver.path].filter(Boolean).join(', ') : 'not found');
    row('Backend', backend.built ? `CUDA ${backend.cudaVersion}, ${backend.path}` : 'not built');
    row('cuBLAS', describe(cuda.cublas));
    row('cuDNN', describe(cuda.cudnn));
  }
  for (const { component, reason, remedy, fatal } of diagnosis.problems) {
    lines.push('', ...wrap(`${component}: ${reason}`, width, fatal ? '✗ ' : '! ', '  '));
    lines.push(...wrap(remedy, width, '  → ', '    '));
  }
  if (!diagnosis.problems.length) lines.push('', 'Everything works.');
  return lines.join('\n');
}

function describe(library: CudaLibrary | null): string {
  if (!library?.path) return 'not found';
  const verdict = library.problem ? 'unfit: ' : '';
  return `${verdict}${library.version ?? 'no version'}, ${library.path} (${library.source})`;
}

/** Breaks text between words; a word longer than a line has its own. */
function wrap(text: string, width: number, first: string, rest: string): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = lines.length ? rest : first;
    let empty = true;
    for (const word of paragraph.split(' ')) {
      if (!empty && line.length + 1 + word.length > width) {
        lines.push(line);
        line = rest;
        empty = true;
      }
      line += empty ? word : ` ${word}`;
      empty = false;
    }
    lines.push(line);
  }
  return lines;
}
