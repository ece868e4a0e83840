// SPDX-License-Identifier: Apache-2.0
// The contenders: lenode's own and the peers, with what to do where one is missing.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Contender } from './contender.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** By the names of --peers. The first ones are compared with by default. */
export const PEERS = ['pytorch', 'channels-last', 'compile', 'cuda-graphs', 'onnxruntime', 'jax', 'tfjs'];

const INSTALL_ONNXRUNTIME = 'build/bench-venv/bin/pip install onnxruntime onnx';
const INSTALL_JAX = 'build/bench-venv/bin/pip install jax';
const INSTALL_TFJS = 'npm install --prefix build/bench-tfjs @tensorflow/tfjs@4.22.0';

const imports = (python, name) => spawnSync(python, ['-c', `import ${name}`]).status === 0;

export const own = (spec) => new Contender(`lenode ${spec.mode}`, [process.execPath, here('worker.mjs')], spec);

export const gemm = (spec) => new Contender('product', [process.execPath, here('worker.mjs')], { ...spec, network: 'gemm' });

const missing = (label, note) => ({ label, note, rounds: [] });

/** A contender, or what says why there is none. */
export function peer(name, spec, python) {
  if (name === 'tfjs') {
    if (!existsSync(here('../build/bench-tfjs/node_modules/@tensorflow/tfjs'))) return missing('tfjs', `missing: ${INSTALL_TFJS}`);
    return new Contender('tfjs', [process.execPath, here('peers/tfjs.mjs')], spec);
  }
  if (name === 'jax') {
    const path = [process.env.LENODE_BENCH_JAX_PYTHON, python, 'python3'].find((one) => one && imports(one, 'jax'));
    if (!path) return missing('jax', `missing: ${INSTALL_JAX}`);
    return new Contender('jax', [path, here('peers/jax_peer.py')], spec);
  }
  if (name === 'onnxruntime') {
    if (!python || !imports(python, 'onnxruntime, onnx')) return missing('onnxruntime', `missing: ${INSTALL_ONNXRUNTIME}`);
    return new Contender('onnxruntime', [python, here('peers/onnxruntime_peer.py')], spec);
  }
  const mode = name === 'pytorch' ? 'plain' : name;
  if (!python) return missing(`PyTorch ${mode}`, 'missing: pip install -r bench/peers/requirements.txt');
  const contender = new Contender(`PyTorch ${mode}`, [python, here('peers/pytorch_peer.py')], { ...spec, mode });
  contender.isPyTorch = true;
  return contender;
}
