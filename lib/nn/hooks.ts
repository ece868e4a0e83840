// SPDX-License-Identifier: Apache-2.0
// Hooks around forward(). They are put in its place on the one module that has them, so that they run however it is
// called (by a user, a container, another module), and modules without hooks pay nothing.
import { isGradEnabled } from '../autograd/mode.js';
import { checkCallable } from '../native/options.js';
import { BackwardWatch, type BackwardHook, type BackwardPreHook } from './backward-hooks.js';

type Call = (...args: unknown[]) => unknown;
interface Callable {
  forward: Call;
}
type Before = (module: Callable, args: unknown[]) => unknown[] | void;
type After = (module: Callable, args: unknown[], output: unknown) => unknown;

interface Sets {
  readonly before: Set<Before>;
  readonly after: Set<After>;
  readonly beforeBackward: Set<BackwardPreHook>;
  readonly afterBackward: Set<BackwardHook>;
}
interface Hooks extends Sets {
  /** The module's own forward property, where it is no method of its class. */
  readonly own: PropertyDescriptor | undefined;
}

const hooked = new WeakMap<object, Hooks>();

function install(module: Callable): Hooks {
  const forward = module.forward;
  const hooks: Hooks = {
    before: new Set(),
    after: new Set(),
    beforeBackward: new Set(),
    afterBackward: new Set(),
    own: Object.getOwnPropertyDescriptor(module, 'forward'),
  };
  const value: Call = (...args) => {
    for (const hook of [...hooks.before]) args = hook(module, args) ?? args;
    const { beforeBackward, afterBackward } = hooks;
    const watched = beforeBackward.size + afterBackward.size > 0 && isGradEnabled();
    const watch = watched ? new BackwardWatch(module, beforeBackward, afterBackward) : null;
    if (watch) args = watch.inputs(args);
    let output = forward.apply(module, args);
    for (const hook of [...hooks.after]) output = hook(module, args, output) ?? output;
    return watch ? watch.outputs(output) : output;
  };
  Object.defineProperty(module, 'forward', { value, configurable: true, writable: true, enumerable: false });
  hooked.set(module, hooks);
  return hooks;
}

function uninstall(module: Callable, { own }: Hooks): void {
  hooked.delete(module);
  if (own) Object.defineProperty(module, 'forward', own);
  else delete (module as Partial<Callable>).forward;
}

const count = ({ before, after, beforeBackward, afterBackward }: Sets) =>
  before.size + after.size + beforeBackward.size + afterBackward.size;

const registering: Readonly<Record<keyof Sets, string>> = {
  before: 'registerForwardPreHook',
  after: 'registerForwardHook',
  beforeBackward: 'registerFullBackwardPreHook',
  afterBackward: 'registerFullBackwardHook',
};

/** Adds a hook; returns a function that removes it. */
export function addHook(module: object, when: keyof Sets, hook: (...args: never[]) => unknown): () => void {
  checkCallable(hook, registering[when], 'hook');
  const target = module as Callable;
  const hooks = hooked.get(module) ?? install(target);
  const set = hooks[when] as Set<unknown>;
  const entry = hook.bind(null); // so that one function can be registered twice
  set.add(entry);
  return () => {
    set.delete(entry);
    if (hooked.get(module) === hooks && count(hooks) === 0) uninstall(target, hooks);
  };
}
