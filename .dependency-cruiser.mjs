// SPDX-License-Identifier: Apache-2.0
// The layers of lib/: a folder imports from folders further down this list and from nothing above, and no file
// imports in a circle.
const layers = [
  ['index.ts'],
  ['cli'],
  ['train', 'selftest', 'visualize'],
  ['models'],
  ['io'],
  ['amp'],
  ['data', 'optim'],
  ['nn'],
  ['ops'],
  ['autograd'],
  ['tensor'],
  ['pickle'],
  ['native'],
];

const pattern = (names) => `^lib/(${names.map((name) => name.replace('.', '\\.')).join('|')})(/|$)`;

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      from: { path: '^lib/' },
      to: { circular: true },
    },
    ...layers.slice(1).map((names, i) => ({
      name: `${names.join('-and-')}-imports-nothing-above`,
      severity: 'error',
      from: { path: pattern(names) },
      to: { path: pattern(layers.slice(0, i + 1).flat()) },
    })),
    ...layers.filter((names) => names.length > 1).flatMap((names) =>
      names.map((name) => ({
        name: `${name}-imports-no-neighbour`,
        severity: 'error',
        from: { path: pattern([name]) },
        to: { path: pattern(names.filter((other) => other !== name)) },
      })),
    ),
    {
      name: 'every-folder-is-a-layer',
      severity: 'error',
      from: { path: '^lib/', pathNot: pattern(layers.flat()) },
      to: {},
    },
    {
      name: 'one-loader-of-addons',
      comment: 'lib/native/binding.ts alone loads a .node.',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/native/binding\\.ts$' },
      to: { path: '(^|/)bindings(/|$)|\\.node$' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: { path: '^lib/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'runtime-needs-no-development-packages',
      severity: 'error',
      from: { path: '^lib/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only', 'npm-peer'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
};
