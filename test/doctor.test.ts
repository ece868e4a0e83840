// SPDX-License-Identifier: Apache-2.0
// Whatever is wrong with CUDA on this machine is simulated by environment variables, each in a process of its own:
// what has been found is kept for the life of a process.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../lib/native/doctor.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = path.join(root, 'dist', 'cli', 'main.js');
let folder: string;

/** A shared library with one function, as NVIDIA's version functions are. */
function fakeLibrary(file: string, source: string, ...flags: string[]): string {
  const target = path.join(folder, file);
  mkdirSync(path.dirname(target), { recursive: true });
  execFileSync(process.env.CC ?? 'gcc', ['-shared', '-fPIC', '-x', 'c', '-', '-o', target, ...flags], { input: source });
  return target;
}

function doctor(environment: Record<string, string>, ...flags: string[]) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(CUDA|CUDNN|LENODE)_/.test(name));
  return spawnSync(process.execPath, [cli, 'doctor', ...flags], {
    encoding: 'utf8',
    env: { ...Object.fromEntries(inherited), ...environment },
  });
}

function diagnosis(environment: Record<string, string>): Diagnosis {
  const result = doctor(environment, '--json');
  expect(result.stderr).toBe('');
  expect(result.status).toBe(0);
  return JSON.parse(result.stdout) as Diagnosis;
}

const problemOf = (found: Diagnosis, component: string) => found.problems.find((problem) => problem.component === component);

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'lenode-doctor-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('lenode doctor', () => {
  it('describes the CPU, which works', () => {
    const found = diagnosis({});
    expect(found.node.version).toBe(process.version);
    expect(found.addon.loaded).toBe(true);
    expect(found.cpu.usable).toBe(true);
    expect(found.cpu.onednnVersion).toMatch(/^[23]\.\d+\.\d+$/);
    expect(found.cpu.isa).not.toBe('');
    expect(found.cpu.threads).toBeGreaterThan(0);
    expect(found.cpu.memoryBytes).toBeGreaterThan(found.cpu.freeMemoryBytes);
    expect(found.problems.filter((problem) => problem.fatal)).toEqual([]);
  });

  it('says that there is no driver', () => {
    const missing = path.join(folder, 'nowhere', 'libcuda.so.1');
    const found = diagnosis({ LENODE_CUDA_DRIVER: missing });
    expect(found.cuda.available).toBe(false);
    expect(found.cuda.driver.found).toBe(false);
    expect(found.cuda.reason).toContain(`LENODE_CUDA_DRIVER is ${missing}, which cannot be opened as NVIDIA's driver`);
    expect(found.cuda.reason).toContain('No such file');
    expect(found.cuda.remedy).toContain('libcuda.so.1');
  });

  it("takes a toolkit's stub for what it is", () => {
    const stub = fakeLibrary('stub/libcuda.so.1', 'int cuDriverGetVersion(int* version) { return 34; }');
    expect(problemOf(diagnosis({ LENODE_CUDA_DRIVER: stub }), 'driver')?.reason).toContain('is not a working driver');
  });

  it('says that the driver is too old, with both versions', () => {
    const old = fakeLibrary('old/libcuda.so.1', 'int cuDriverGetVersion(int* version) { *version = 11080; return 0; }');
    const found = diagnosis({ LENODE_CUDA_DRIVER: old });
    expect(found.cuda.driver.cudaVersion).toBe('11.8');
    expect(problemOf(found, 'driver')?.reason).toMatch(/supports CUDA 11\.8, and lenode was built for CUDA 1[23]/);
    expect(problemOf(found, 'driver')?.remedy).toMatch(/driver 5[28][05] or newer/);
  });

  it('says that cuDNN is too old where CUDNN_HOME points, with and without a driver', () => {
    const file = fakeLibrary('cudnn8/lib/libcudnn.so.9', 'unsigned long cudnnGetVersion(void) { return 8900; }');
    const driver = fakeLibrary('new/libcuda.so.1', 'int cuDriverGetVersion(int* version) { *version = 13000; return 0; }');
    const home = path.join(folder, 'cudnn8');
    for (const environment of [{ CUDNN_HOME: home }, { CUDNN_HOME: home, LENODE_CUDA_DRIVER: driver }]) {
      const found = diagnosis(environment);
      expect(found.cuda.cudnn).toMatchObject({ path: file, version: '8.9.0', source: 'CUDNN_HOME' });
      expect(found.cuda.reason).toContain(`${file}, where CUDNN_HOME points, is cuDNN 8.9.0, which is too old`);
      expect(problemOf(found, 'cuDNN')?.remedy).toContain('nvidia-cudnn-cu1');
    }
  });

  it('tells an old cuDNN by its name, and an empty folder', () => {
    fakeLibrary('named/lib64/libcudnn.so.8', 'unsigned long cudnnGetVersion(void) { return 8900; }');
    const named = diagnosis({ CUDNN_HOME: path.join(folder, 'named') });
    expect(problemOf(named, 'cuDNN')?.reason).toMatch(/libcudnn\.so\.8, where CUDNN_HOME points, is cuDNN 8, which is too old/);
    mkdirSync(path.join(folder, 'empty'));
    const empty = diagnosis({ CUDNN_PATH: path.join(folder, 'empty') });
    expect(problemOf(empty, 'cuDNN')?.reason).toBe(`CUDNN_PATH is ${path.join(folder, 'empty')}, which holds no libcudnn.so.9`);
  });

  it('says that a library is damaged, or a folder does not exist', () => {
    mkdirSync(path.join(folder, 'damaged'));
    writeFileSync(path.join(folder, 'damaged', 'libcudnn.so.9'), 'not a library');
    const damaged = diagnosis({ CUDNN_HOME: path.join(folder, 'damaged') });
    expect(problemOf(damaged, 'cuDNN')?.reason).toMatch(/cannot be used: .*(file too short|invalid ELF header)/);
    const absent = diagnosis({ CUDA_HOME: path.join(folder, 'absent') });
    expect(problemOf(absent, 'cuBLAS')?.reason).toBe(`CUDA_HOME is ${path.join(folder, 'absent')}, which does not exist`);
  });

  it('says that cuBLAS is too old', () => {
    fakeLibrary('cuda11/lib64/libcublasLt.so.11', 'unsigned long cublasLtGetVersion(void) { return 111103; }');
    const found = diagnosis({ CUDA_PATH: path.join(folder, 'cuda11') });
    expect(problemOf(found, 'cuBLAS')?.reason).toMatch(/libcublasLt\.so\.11, where CUDA_PATH points, is cuBLAS 11, which is too old/);
  });

  it('says that CUDA was switched off', () => {
    const found = diagnosis({ LENODE_DISABLE_CUDA: '1' });
    expect(found.cuda.reason).toBe('LENODE_DISABLE_CUDA is 1');
    expect(found.cuda.remedy).toContain('Unset LENODE_DISABLE_CUDA');
  });

  it.runIf(existsSync(path.join(root, 'build/Release/liblenode_cuda.so')))('opens the CUDA library where there is no GPU', () => {
    const driver = fakeLibrary(
      'gpuless/libcuda.so.1',
      'int cuDriverGetVersion(int* version) { *version = 13020; return 0; } int cuInit(unsigned flags) { return 100; }',
      '-Wl,-soname,libcuda.so.1',
    );
    const found = diagnosis({ LENODE_CUDA_DRIVER: driver });
    expect(found.problems.map((problem) => problem.component)).toEqual(['GPU']);
    expect(found.cuda.reason).toMatch(/^the driver offers no GPU: \S/);
    expect(found.cuda.cudnn?.version).toMatch(/^9\./);
    expect(found.cuda.cublas?.version).toMatch(/^1[23]\./);
  });

  it('prints for people in 40 columns', () => {
    const missing = path.join(folder, 'nowhere');
    const result = doctor({ LENODE_CUDA_DRIVER: missing, COLUMNS: '40' });
    expect(result.status).toBe(0);
    for (const label of ['Node', 'Addon', 'CPU', 'Threads', 'oneDNN', 'Memory', 'CUDA', 'Driver', 'cuBLAS', 'cuDNN'])
      expect(result.stdout).toMatch(new RegExp(`^${label} `, 'm'));
    const prose = result.stdout.split('\n').filter((line) => !/\S{24,}/.test(line));
    expect(Math.max(...prose.map((line) => line.length))).toBeLessThanOrEqual(40);
  });
});
