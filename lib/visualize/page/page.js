// SPDX-License-Identifier: Apache-2.0
// Draws the page from its data. Runs in a browser, without anything else.
'use strict';

const data = JSON.parse(document.getElementById('data').textContent);
const sum = document.getElementById('sum');

const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);
for (const t of data.tensors) {
  t.numbers = t.values && floatsOf(t.values);
  t.panes = [];
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'style') made.style.cssText = value;
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

const number = (x) => (x === 0 ? '0' : Math.abs(x) >= 1000 || Math.abs(x) < 0.001 ? x.toExponential(1) : x.toFixed(3));
const sizes = (shape) => shape.join(' × ');
const className = (i) => data.classes?.[i] ?? String(i);

const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
function amount(value) {
  const at = Math.min(Math.max(value, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(at), stops.length - 2);
  return stops[i].map((low, c) => Math.round(low + (stops[i + 1][c] - low) * (at - i)));
}
// Blue below zero, red above.
function signed(value, limit) {
  const t = Math.min(Math.abs(value) / (limit || 1), 1);
  const end = value < 0 ? [103, 169, 207] : [239, 138, 98];
  return `rgb(${end.map((c) => Math.round(247 + (c - 247) * t)).join()})`;
}

// ---- maps ------------------------------------------------------------------------------------------------------------

function drawMap(t, channel, inColour) {
  const { width, height, data: text } = t.maps;
  t.maps.bytes ??= bytesOf(text);
  const canvas = element('canvas', { width, height });
  const context = canvas.getContext('2d');
  const picture = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const byte = (c) => t.maps.bytes[c * width * height + i];
    const colour = inColour ? [byte(0), byte(1), byte(2)] : t === data.tensors[data.image] ? [byte(0), byte(0), byte(0)] : amount(byte(channel) / 255);
    picture.data.set([...colour, 255], 4 * i);
  }
  context.putImageData(picture, 0, 0);
  const scale = Math.max(1, Math.round((t.maps.count > 12 ? 72 : 112) / Math.max(width, height)));
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  return canvas;
}

function showMaps(t, onPixel) {
  const holder = element('div', { className: 'maps' });
  const inColour = t === data.tensors[data.image] && t.shape[0] === 3;
  for (let channel = 0; channel < (inColour ? 1 : t.maps.count); channel++) {
    const canvas = drawMap(t, channel, inColour);
    const pane = element('div', { className: onPixel ? 'map live' : 'map' }, canvas);
    t.panes.push(pane);
    if (onPixel) {
      const [, height, width] = t.shape;
      const look = (event) => {
        const box = canvas.getBoundingClientRect();
        const x = Math.floor(((event.clientX - box.left) / box.width) * width);
        const y = Math.floor(((event.clientY - box.top) / box.height) * height);
        if (x >= 0 && y >= 0 && x < width && y < height) onPixel(channel, y, x);
      };
      canvas.addEventListener('pointermove', look);
      canvas.addEventListener('pointerdown', look);
      canvas.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && clear());
    }
    holder.append(pane);
  }
  const hidden = t.shape[0] - (inColour ? 3 : t.maps.count);
  if (hidden > 0) holder.append(element('span', { className: 'soft' }, `and ${hidden} more`));
  return holder;
}

function mark(t, top, left, height, width, only) {
  const [, rows, columns] = t.shape;
  t.panes.forEach((pane, channel) => {
    if (only !== undefined && t.panes.length > 1 && channel !== only) return;
    const box = pane.firstChild.getBoundingClientRect();
    const [sy, sx] = [box.height / rows, box.width / columns];
    pane.append(
      element('div', {
        className: 'window',
        style: `left:${left * sx - 1}px;top:${top * sy - 1}px;width:${width * sx + 2}px;height:${height * sy + 2}px`,
      }),
    );
  });
}

function clear() {
  for (const old of document.querySelectorAll('.window')) old.remove();
  sum.hidden = true;
}

// ---- the sum of a pixel -----------------------------------------------------------------------------------------------

function table(rows, limit) {
  return element('table', {}, ...rows.map((row) =>
    element('tr', {}, ...row.map((value) => element('td', { style: `background:${signed(value, limit)}` }, number(value))))));
}
const figure = (caption, content) => element('figure', {}, element('figcaption', {}, caption), content);

/** The window of one input channel: zeros (or nothing, for pooling) outside of the image. */
function windowOf(t, rule, channel, y, x, outside) {
  const [, height, width] = t.shape;
  const [kh, kw] = rule.kernel;
  const rows = [];
  for (let i = 0; i < kh; i++) {
    rows.push([]);
    for (let j = 0; j < kw; j++) {
      const r = y * rule.stride[0] - rule.padding[0] + i * rule.dilation[0];
      const c = x * rule.stride[1] - rule.padding[1] + j * rule.dilation[1];
      const inside = r >= 0 && c >= 0 && r < height && c < width;
      rows[i].push(inside ? t.numbers[(channel * height + r) * width + c] : outside);
    }
  }
  return rows;
}

function markWindow(t, rule, y, x, only) {
  const extent = (i) => rule.dilation[i] * (rule.kernel[i] - 1) + 1;
  mark(t, y * rule.stride[0] - rule.padding[0], x * rule.stride[1] - rule.padding[1], extent(0), extent(1), only);
}

const largest = (rows) => Math.max(...rows.flat().map((v) => (Number.isFinite(v) ? Math.abs(v) : 0)));

function showConvolution(layer, input, output, k, y, x) {
  const { rule } = layer;
  rule.numbers ??= floatsOf(rule.weight);
  rule.offsets ??= rule.bias && floatsOf(rule.bias);
  const [kh, kw] = rule.kernel;
  const channels = input.shape[0] / rule.groups;
  const group = Math.floor(k / (output.shape[0] / rule.groups));
  const parts = [];
  for (let c = 0; c < channels; c++) {
    const values = windowOf(input, rule, group * channels + c, y, x, 0);
    const weights = values.map((row, i) => row.map((_, j) => rule.numbers[((k * channels + c) * kh + i) * kw + j]));
    const total = values.reduce((s, row, i) => s + row.reduce((t, v, j) => t + v * weights[i][j], 0), 0);
    parts.push({ channel: group * channels + c, values, weights, total });
  }
  const strongest = parts.reduce((a, b) => (Math.abs(b.total) > Math.abs(a.total) ? b : a));
  const bias = rule.offsets ? rule.offsets[k] : 0;
  const total = parts.reduce((s, p) => s + p.total, bias);
  const listed = parts.length <= 12 ? parts : [...parts].sort((a, b) => Math.abs(b.total) - Math.abs(a.total)).slice(0, 12);
  const terms = listed.map((p) => (channels > 1 ? `${number(p.total)} (${p.channel})` : number(p.total))).join(' + ');
  const rest = parts.length - listed.length;
  return [
    element('div', { className: 'parts' },
      figure(`window of input map ${strongest.channel}`, table(strongest.values, largest(strongest.values))), '×',
      figure(`filter ${k}`, table(strongest.weights, largest(strongest.weights))), '=',
      element('b', {}, number(strongest.total))),
    element('p', {}, channels > 1 ? `Sum over ${channels} input maps (map in brackets): ` : '',
      element('code', {}, `${terms}${rest > 0 ? ` + ${rest} more` : ''}${rule.offsets ? ` + bias ${number(bias)}` : ''} = `),
      element('b', {}, number(total))),
  ];
}

function showPooling(layer, input, channel, y, x) {
  const { rule } = layer;
  const values = windowOf(input, rule, channel, y, x, NaN);
  const inside = values.flat().filter((v) => !Number.isNaN(v));
  const best = Math.max(...inside);
  const result = rule.kind === 'max' ? best : inside.reduce((a, b) => a + b, 0) / inside.length;
  const grid = table(values.map((row) => row.map((v) => (Number.isNaN(v) ? 0 : v))), largest(values));
  return [element('div', { className: 'parts' }, figure(`window of map ${channel}`, grid), '→', `${rule.kind} = `, element('b', {}, number(result)))];
}

function showPixel(layer, channel, y, x) {
  const [input, output] = [data.tensors[layer.input], data.tensors[layer.output]];
  clear();
  mark(output, y, x, 1, 1, channel);
  const value = output.numbers?.[(channel * output.shape[1] + y) * output.shape[2] + x];
  const content = [element('p', {}, element('b', {}, `${layer.name} ${layer.type}`),
    `, map ${channel}, row ${y}, column ${x}`, value === undefined ? '' : ` = ${number(value)}`)];
  const { rule } = layer;
  if (rule && rule.kernel) {
    const pooling = rule.kind !== 'conv';
    markWindow(input, rule, y, x, pooling ? channel : undefined);
    if (input.numbers) content.push(...(pooling ? showPooling(layer, input, channel, y, x) : showConvolution(layer, input, output, channel, y, x)));
    else content.push(element('p', { className: 'soft' }, 'This layer is too large for its numbers to be in the page.'));
  } else if (input.numbers && sizes(input.shape) === sizes(output.shape)) {
    mark(input, y, x, 1, 1, channel);
    content.push(element('p', {}, element('code', {}, `${layer.type}(${number(input.numbers[(channel * output.shape[1] + y) * output.shape[2] + x])}) = ${number(value)}`)));
  }
  sum.replaceChildren(...content);
  sum.hidden = false;
}

// ---- the page -------------------------------------------------------------------------------------------------------------

function showVector(t) {
  if (!t.numbers) return element('p', { className: 'soft' }, `${t.shape[0]} numbers`);
  const limit = Math.max(...t.numbers.map(Math.abs));
  const cells = Array.from(t.numbers.slice(0, 512), (v, i) => element('i', { title: `${i}: ${number(v)}`, style: `background:${signed(v, limit)}` }));
  return element('div', { className: 'vector' }, ...cells);
}

function showProbabilities() {
  const order = data.probabilities.map((p, i) => [p, i]).sort((a, b) => b[0] - a[0]).slice(0, 10);
  const rows = order.flatMap(([p, i], rank) => [
    element('span', {}, className(i)),
    element('div', { className: rank === 0 ? 'bar best' : 'bar', style: `width:${100 * p}%` }),
    element('span', {}, `${(100 * p).toFixed(2)} %`),
  ]);
  return element('section', {}, element('h2', {}, 'What the network thinks it is'), element('div', { className: 'bars' }, ...rows));
}

const main = document.getElementById('layers');
const image = data.tensors[data.image];
main.append(element('section', {}, element('h2', {}, 'The image'), element('p', { className: 'soft' }, sizes(image.shape)), showMaps(image)));
for (const layer of data.layers) {
  const [input, output] = [data.tensors[layer.input], data.tensors[layer.output]];
  // Maps of one pixel are numbers beside each other.
  const content = output.maps && output.shape[1] * output.shape[2] > 1
    ? showMaps(output, (channel, y, x) => showPixel(layer, channel, y, x))
    : showVector(output);
  main.append(element('section', {},
    element('h2', {}, layer.name || data.title), element('p', {}, element('code', {}, layer.text)),
    element('p', { className: 'soft' }, `${sizes(input.shape)} → ${sizes(output.shape)}`), content));
}
if (data.probabilities.length) main.append(showProbabilities());
const best = data.probabilities.indexOf(Math.max(...data.probabilities));
document.getElementById('lead').textContent =
  (best >= 0 ? `Taken for ${className(best)} with a probability of ${(100 * data.probabilities[best]).toFixed(1)} %` : '') +
  (data.label !== undefined && best >= 0 ? `; it is ${className(data.label)}. ` : '. ') +
  'Point at a map, or touch it, to see the sum behind a pixel.';
