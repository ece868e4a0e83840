// SPDX-License-Identifier: Apache-2.0
// Everything of the public API that can be called, found by walking the exports: functions, classes, static and other
// methods, and accessors, each with the names of its parameters.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

// What the fuzz does not call: what downloads or starts threads, what ends by design only when a program ends it, and
// networks of ImageNet's size, which take seconds each and are made of layers that are called one by one.
const EXCLUDED = new RegExp(
  [
    /^data\.(download|workerDataset|workerFunction)$/,
    /^datasets\.\w+\.(load|read)$/,
    /^models\.(alexnet|densenet|googlenet|resnet|resnext|vgg|wideResnet)/i,
    /^models\.(AlexNet|DenseNet|GoogLeNet|ResNet|VGG)/,
    /Error$/,
    /Error[.#]/, // error classes take what Error does
    /^(nativeError|fromNative)$/,
    /\.fromParts$/,
    /^Tensor$/, // lenode's own
    /^diagnose$/, // looks at the machine
  ]
    .map((r) => r.source)
    .join('|'),
);

/** Names that the declarations call private or protected: no program may call those. */
function hiddenNames(folder) {
  const names = new Set(['constructor']);
  for (const file of readdirSync(folder, { recursive: true }))
    if (file.endsWith('.d.ts'))
      for (const [, name] of readFileSync(join(folder, file), 'utf8').matchAll(
        /\b(?:private|protected) (?:(?:readonly|static|abstract|get|set) )*(\w+)/g,
      ))
        names.add(name);
  return names;
}

function parametersOf(f) {
  const text = Function.prototype.toString.call(f);
  const isClass = /^class\b/.test(text);
  const from = isClass ? text.search(/\bconstructor\(/) : 0;
  if (from < 0) {
    const parent = Object.getPrototypeOf(f);
    return parent === Function.prototype ? [] : parametersOf(parent);
  }
  const list = /\(([^]*?)\)\s*(?:\{|=>)/.exec(text.slice(from))?.[1] ?? '';
  return list
    .split(',')
    .map((p) => /^\s*(?:\.\.\.)?(\w*)/.exec(p)[1])
    .filter(Boolean);
}

/** [{ name, kind, parameters, get }]: `get` gives the function, or the class. */
export function findTargets(lenode, distribution) {
  const hidden = hiddenNames(distribution);
  const found = new Map();
  const seen = new Set();
  const add = (name, kind, f, more = {}) => {
    if (!EXCLUDED.test(name)) found.set(name, { name, kind, f, parameters: f ? parametersOf(f) : [], ...more });
  };
  const addClass = (name, Class) => {
    add(name, 'class', Class);
    for (const key of Object.getOwnPropertyNames(Class))
      if (typeof Class[key] === 'function' && !hidden.has(key))
        add(`${name}.${key}`, 'static', Class[key], { owner: Class });
    for (let p = Class.prototype; p && p !== Object.prototype; p = Object.getPrototypeOf(p)) {
      for (const [key, { value, get }] of Object.entries(Object.getOwnPropertyDescriptors(p))) {
        if (hidden.has(key) || found.has(`${name}#${key}`) || (value && seen.has(value))) continue;
        if (value && p !== Class.prototype) seen.add(value);
        if (typeof value === 'function' || get)
          add(`${name}#${key}`, get ? 'accessor' : 'method', value, { className: name, key });
      }
    }
  };
  const walk = (module, prefix) => {
    for (const key of Object.keys(module)) {
      const value = module[key];
      if (
        Object.prototype.toString.call(value) === '[object Module]' ||
        (value && typeof value === 'object' && !prefix)
      )
        walk(value, `${prefix}${key}.`);
      if (typeof value !== 'function' || seen.has(value)) continue;
      seen.add(value);
      if (/^class\b/.test(Function.prototype.toString.call(value))) addClass(prefix + key, value);
      else add(prefix + key, 'function', value);
    }
  };
  walk(lenode, '');
  // A method that only hands over to a function of the same name takes what that takes.
  for (const target of found.values()) {
    if (target.className !== 'Tensor' || !/^\w*\(\.\.\.\w+\)/.test(target.f?.toString() ?? '')) continue;
    const same = found.get(target.key) ?? found.get(`F.${target.key}`);
    if (same) target.parameters = same.parameters.slice(1);
  }
  return [...found.values()];
}
