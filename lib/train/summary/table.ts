// SPDX-License-Identifier: Apache-2.0
// Summaries as tables: one line for each layer where there is room, else two.
import { formatBytes } from '../../native/run.js';
import type { LayerSummary, SummaryTotals } from './types.js';

const WIDE = 72;

interface Listed {
  readonly layers: readonly LayerSummary[];
  readonly totals: SummaryTotals;
}

export function renderSummary(summary: Listed, columns: number, depth: number): string {
  const shown = summary.layers.filter((layer) => layer.depth <= depth);
  const rows = columns >= WIDE ? wide(shown, columns) : narrow(shown, columns);
  const width = Math.min(columns, Math.max(...rows.map((row) => row.length)));
  const rule = '─'.repeat(width);
  return [...rows.slice(0, 1), rule, ...rows.slice(1), rule, ...totalLines(summary, columns)].join('\n');
}

function wide(layers: readonly LayerSummary[], columns: number): string[] {
  const cells = layers.map((layer) => [
    shape(layer.outputShape),
    layer.again ? '(again)' : count(layer.params),
    count(layer.multAdds),
    layer.activationBytes > 0 ? bytes(layer.activationBytes) : '-',
    field(layer),
  ]);
  const table = [['output', 'params', 'mult-adds', 'memory', 'field/jump'], ...cells];
  const widths = table[0]!.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  const room = columns - widths.reduce((n, w) => n + w + 2, 0);
  const names = ['layer', ...layers.map(label)];
  const first = Math.max(8, Math.min(room, Math.max(...names.map((name) => name.length))));
  return names.map((name, i) => {
    const [output, ...numbers] = table[i]!;
    const cellsOf = [output!.padEnd(widths[0]!), ...numbers.map((cell, k) => cell.padStart(widths[k + 1]!))];
    return [cut(name, first).padEnd(first), ...cellsOf].join('  ').trimEnd();
  });
}

function narrow(layers: readonly LayerSummary[], columns: number): string[] {
  const rows = ['layer: output, params, mult-adds, field'];
  for (const layer of layers) {
    rows.push(cut(label(layer), columns));
    const numbers = [layer.again ? '(again)' : count(layer.params), count(layer.multAdds)].map((text) => text.replace(' ', ''));
    const output = layer.outputShape?.join('x') ?? '-';
    rows.push(`${'  '.repeat(Math.min(layer.depth, 2) + 1)}${[output, ...numbers, field(layer)].join('  ')}`);
  }
  return rows.map((row) => cut(row, columns));
}

function totalLines({ totals }: Listed, columns: number): string[] {
  const { params, trainableParams, multAdds, inputBytes, forwardBackwardBytes, paramsBytes } = totals;
  const rows: [string, string][] = [
    ['params', params.toLocaleString('en')],
    ['trainable', trainableParams.toLocaleString('en')],
    ['mult-adds', count(multAdds)],
    ['input', formatBytes(inputBytes)],
    ['forward/backward', formatBytes(forwardBackwardBytes)],
    ['params memory', formatBytes(paramsBytes)],
  ];
  return rows.map(([name, value]) => cut(`${name.padEnd(17)} ${value}`, columns));
}

function label({ name, type, depth }: LayerSummary): string {
  const own = name.slice(name.lastIndexOf('.') + 1);
  return `${'  '.repeat(depth)}${own === '' ? type : `${own}: ${type}`}`;
}

function shape(dims: readonly number[] | null): string {
  return dims ? `[${dims.join(', ')}]` : '-';
}

/** 61706 as 61.7 k, 4.09e9 as 4.09 G. */
function count(n: number): string {
  if (n === 0) return '-';
  const units = ['', ' k', ' M', ' G', ' T', ' P'];
  let i = 0;
  let value = n;
  while (value >= 999.5 && i < units.length - 1) {
    value /= 1000;
    i++;
  }
  return i === 0 ? String(n) : `${value >= 99.95 ? value.toFixed(0) : value.toPrecision(3)}${units[i]}`;
}

function bytes(n: number): string {
  const text = formatBytes(n);
  return text.replace(/\.(\d)\d /, '.$1 ');
}

// '7x7/2', or '7/2' for equal sides.
function field({ receptiveField, jump }: LayerSummary): string {
  if (!receptiveField) return '-';
  const sides = (values: readonly number[]) => (values.every((v) => v === values[0]) ? String(values[0]) : values.join('x'));
  return jump ? `${sides(receptiveField)}/${sides(jump)}` : sides(receptiveField);
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
