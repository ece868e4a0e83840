// SPDX-License-Identifier: Apache-2.0
// Writes lib/native/ops.gen.ts from the op table native/core/ops.def. `--check` only compares and fails when stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const table = fileURLToPath(new URL('../native/core/ops.def', import.meta.url));
const target = fileURLToPath(new URL('../lib/native/ops.gen.ts', import.meta.url));

const families = {
  LENODE_UNARY: { inputs: ['x'] },
  LENODE_UNARY_FLOAT: { inputs: ['x'] },
  LENODE_PREDICATE: { inputs: ['x'], attrs: [] },
  LENODE_BINARY: { inputs: ['a_opt', 'b_opt'] },
  LENODE_BINARY_FLOAT: { inputs: ['a_opt', 'b_opt'] },
  LENODE_COMPARE: { inputs: ['a_opt', 'b_opt'], attrs: ['scalar'] },
  LENODE_TERNARY_FLOAT: { inputs: ['a_opt', 'b_opt', 'c_opt'], attrs: ['scalar'] },
  LENODE_REDUCE: { inputs: ['x'] },
  LENODE_STEP: { inputs: ['lr', 'found_inf_opt', 'grads_list'], outputs: null },
};

function parse(text) {
  const source = text
    .replace(/\/\/.*$/gm, '')
    .replace(/^#define(?:[^\n\\]|\\\n)*/gm, '')
    .replace(/^#.*$/gm, '');
  const rows = [];
  for (const match of source.matchAll(/(LENODE_\w+)\(\s*(\w+)\s*((?:,\s*(?:\([^)]*\)|[\w |]+)\s*)*)\)/g)) {
    const [, macro, name, rest] = match;
    const lists = [...rest.matchAll(/\(([^)]*)\)/g)].map((list) => list[1].split(',').map((s) => s.trim()).filter(Boolean));
    if (macro === 'LENODE_OP') {
      const [inputs, outputs, attrs] = lists;
      rows.push({ name, inputs, outputs, attrs });
    } else {
      const family = families[macro];
      if (!family) throw new Error(`unknown row ${macro}(${name})`);
      // What a family leaves open its rows list.
      const outputs = family.outputs === null ? lists.shift() : ['y'];
      rows.push({ name, inputs: family.inputs, outputs, attrs: family.attrs ?? lists[0] });
    }
  }
  return rows;
}

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
// Labels of a tuple must not be reserved words.
const label = (name) => (['where', 'in', 'var'].includes(name) ? `${name}_` : name);

function operandTuple(names) {
  const parts = names.map((name) => {
    if (name.endsWith('_list')) return `...${camel(name.slice(0, -5))}: T[]`;
    if (name.endsWith('_opt')) return `${camel(name.slice(0, -4))}: T | null`;
    return `${label(camel(name))}: T`;
  });
  return `[${parts.join(', ')}]`;
}

function render(rows) {
  const ids = rows.map((row, i) => `  ${camel(row.name)}: ${i},`).join('\n');
  const signatures = rows
    .map((row, i) => {
      const attrs = row.attrs.map((name) => `${label(camel(name))}: number`).join(', ');
      return `  ${i}: { inputs: ${operandTuple(row.inputs)}; outputs: ${operandTuple(row.outputs)}; attrs: [${attrs}] };`;
    })
    .join('\n');
  const names = rows.map((row) => `'${camel(row.name)}'`).join(', ').replace(/(.{1,105})(?: |$)/g, '  $1\n').trimEnd();
  return `// SPDX-License-Identifier: Apache-2.0
// Written by scripts/gen-ops.mjs from native/core/ops.def. Do not edit.

/** Native operations by name: the ids of the op table's rows. */
export const Op = {
${ids}
} as const;

export type OpId = (typeof Op)[keyof typeof Op];

/** Operand and attribute lists of each row; T is the tensor type. */
export interface Signatures<T> {
${signatures}
}

/** Names by id, for error messages. */
export const opNames: readonly string[] = [
${names}
];
`;
}

const rendered = render(parse(readFileSync(table, 'utf8')));
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== rendered) {
    console.error('lib/native/ops.gen.ts is stale: run `npm run gen-ops`');
    process.exit(1);
  }
} else {
  writeFileSync(target, rendered);
}
