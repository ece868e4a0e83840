// SPDX-License-Identifier: Apache-2.0
// What came of the samples, by kind.

/** A message with what differs from sample to sample left out. */
export function kindOf(message) {
  return message
    .replace(/\[[^\]]*\]/g, '[...]')
    .replace(/'[^']*'/g, "'...'")
    .replace(/\b(float32|float64|float16|bfloat16|int32|int64|uint8|bool)\b/g, 'DTYPE')
    .replace(/-?\d+(\.\d+)?(e[+-]?\d+)?/g, 'N')
    .slice(0, 200);
}

const BAD = new Set(['wrong', 'crash', 'hang']);

export class Report {
  /** Everything that did not pass: {kind, name, variant, sample, way, outcome, message, call}. */
  results = [];
  ways = {};
  samples = 0;
  skipped = {};
  names = new Set();
  modules = new Set();

  constructor(list, options) {
    this.list = list;
    this.options = options;
  }

  get failures() {
    return this.results.filter(({ outcome }) => BAD.has(outcome)).length;
  }

  begin(job, samples, skipped) {
    this.samples += samples;
    for (const [why, count] of Object.entries(skipped)) this.skipped[why] = (this.skipped[why] ?? 0) + count;
    this.mark = this.results.length;
    this.passed = 0;
  }

  add(job, result, content) {
    if (result.done) {
      for (const [way, count] of Object.entries(result.passed)) {
        const key = way.startsWith('gradient of') ? 'each gradient alone' : way;
        this.ways[key] = (this.ways[key] ?? 0) + count;
        this.passed += count;
      }
      return;
    }
    const sample = content.samples[result.i];
    const { kind, name, variant } = job;
    this.results.push({
      kind, name: variant ? `${name}:${variant}` : name, sample: `${sample.dtype} ${sample.index}${sample.remark ? ` (${sample.remark})` : ''}`,
      way: result.way, outcome: result.outcome, message: result.message, call: callText(sample, content.tensor),
    });
  }

  end(job) {
    const mine = this.results.slice(this.mark);
    if (job.kind === 'module' && this.passed > 0) this.modules.add(job.name);
    if (job.kind === 'op' && this.passed > 0) this.names.add(`${job.name}:${job.variant}`);
    const count = (what) => mine.filter(({ outcome }) => outcome === what).length;
    const parts = ['wrong', 'crash', 'hang', 'refused', 'accepted'].map((what) => [what, count(what)]).filter(([, n]) => n > 0);
    console.log(`${job.kind === 'op' ? '' : `${job.kind} `}${job.name}${job.variant ? `:${job.variant}` : ''}: ${this.passed} passed` +
      parts.map(([what, n]) => `, ${n} ${what}`).join(''));
    const shown = this.options.verbose ? mine : firstOfEach(mine);
    for (const r of shown) console.log(`  ${r.outcome} ${r.sample} ${r.way}: ${r.call}\n    ${r.message}${r.times > 1 ? ` (${r.times} times)` : ''}`);
  }

  print(absent) {
    const passed = Object.values(this.ways).reduce((a, b) => a + b, 0);
    console.log(`\nPyTorch ${this.list.torch}, seed ${this.options.seed}: ${this.names.size} of ${this.list.ops.length} entries of op_db ` +
      `(${new Set([...this.names].map((n) => n.split(':')[0])).size} names) and ${this.modules.size} of ${this.list.modules.length} of module_db, ${this.samples} samples, ${passed} runs passed`);
    for (const [way, count] of Object.entries(this.ways)) console.log(`  ${way}: ${count}`);
    if (Object.keys(this.skipped).length > 0) console.log('Samples left out:');
    for (const [why, count] of Object.entries(this.skipped)) console.log(`  ${count} ${why}`);
    if (absent.length > 0) console.log(`Not here: ${absent.join(', ')}`);
    for (const outcome of ['refused', 'accepted', 'wrong', 'crash', 'hang']) {
      const mine = firstOfEach(this.results.filter((r) => r.outcome === outcome));
      if (mine.length === 0) continue;
      console.log(`${outcome}, by kind:`);
      for (const r of mine.sort((a, b) => b.times - a.times)) console.log(`  ${r.times} ${r.kind === 'op' ? '' : `${r.kind} `}${r.name}: ${kindOf(r.message)}`);
    }
  }
}

/** One of each kind, with how often it came. */
function firstOfEach(results) {
  const kinds = new Map();
  for (const r of results) {
    const key = `${r.kind} ${r.name} ${r.outcome} ${kindOf(r.message)}`;
    const known = kinds.get(key);
    if (known) known.times++;
    else kinds.set(key, { ...r, times: 1 });
  }
  return [...kinds.values()];
}

/** A sample as one would type it. */
export function callText(sample, tensor) {
  const text = (v) => {
    if (Array.isArray(v)) return `[${v.map(text).join(', ')}]`;
    if (v === null || typeof v !== 'object') return JSON.stringify(v);
    if ('t' in v) return tensorText(tensor(v.t));
    if ('f' in v) return v.f;
    if ('o' in v) return `{${Object.entries(v.o).map(([k, x]) => `${k}: ${text(x)}`).join(', ')}}`;
    return JSON.stringify(v);
  };
  const made = sample.construct ? text(sample.construct) : '';
  return `${made}(${[...sample.args.map(text), ...Object.entries(sample.kwargs.o).map(([k, v]) => `${k}=${text(v)}`)].join(', ')})`;
}

function tensorText({ dtype, shape, strides, data }) {
  const values = data.length <= 8 ? ` {${[...data].map((v) => (typeof v === 'number' ? Number(v.toPrecision(5)) : v)).join(',')}}` : '';
  return `${dtype}[${shape.join(',')}]${strides ? ` strides [${strides.join(',')}]` : ''}${values}`;
}
