// SPDX-License-Identifier: Apache-2.0
import { compareTensor } from './compare.mjs';
import { build, Runner } from './replay.mjs';
import { place } from './samples.mjs';
import { bind, Missing, parse } from './signature.mjs';

/** Runs samples of layers: gradients are asked for operands of forward(), and then for the layer's parameters. */
export class ModuleRunner extends Runner {
  wants(sample, operands) {
    return [...(sample.wants ?? []), ...(sample.parameters ?? []).map((_, i) => operands.length + i)];
  }

  subject({ row, sample, tensor }, made, wants) {
    const module = this.layer(row, sample, tensor, made);
    const named = Object.fromEntries(module.namedParameters());
    const parameters = (sample.parameters ?? []).map((name) => named[name]);
    for (const [i, p] of parameters.entries()) if (p) p.requiresGrad = wants.includes(made.length + i);
    return {
      call: (tensors) => {
        let next = 0;
        const [args, kwargs] = build([sample.args, sample.kwargs], () => tensors[next++]);
        return sample.made === false ? null : module.forward(...args, ...Object.values(kwargs));
      },
      target: (tensors, number) => (number < tensors.length ? tensors[number] : parameters[number - tensors.length]),
      after: () => (sample.buffers ? this.compareBuffers(sample, tensor, module) : ''),
    };
  }

  /** The layer in PyTorch's state. */
  layer(row, sample, tensor, made) {
    const { lenode } = this;
    const own = (i) => place(lenode, tensor(i), 'contiguous');
    if (!lenode.nn[row.name]) throw new Missing(`nn.${row.name}`);
    const [positional, options] = bind(parse(row.call), [], build(sample.construct, own));
    const module = new lenode.nn[row.name](...positional, ...(options ? [options] : []));
    if (sample.dtype !== 'errors') module.to(sample.dtype);
    // Only an input tells the shapes.
    if (row.name.startsWith('Lazy')) lenode.noGrad(() => module.forward(...made));
    if (sample.state) module.loadStateDict(build(sample.state, own));
    return module.train(sample.training);
  }

  /** Running statistics, after one call. */
  compareBuffers(sample, tensor, module) {
    const named = Object.fromEntries(module.namedBuffers());
    for (const [name, { t }] of Object.entries(sample.buffers.o)) {
      const failure = compareTensor(this.lenode, named[name] ?? null, tensor(t), undefined, 'forward', { sums: true });
      if (failure) return `buffer ${name} ${failure}`;
    }
    return '';
  }
}
