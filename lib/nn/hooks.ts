// SPDX-License-Identifier: Apache-2.0
// Hooks around forward(). They are put in its place on the one module that has them, so that they run however it is
// called (by a user, a container, another module), and modules without hooks pay nothing.

type Call = (...args: unknown[]) => unknown;
interface Callable {
  forward: Call;
}
type Before = (module: Callable, args: unknown[]) => unknown[] | void;
type After = (module: Callable, args: unknown[], output: unknown) => unknown;

interface Hooks {
  readonly before: Set<Before>;
  readonly after: Set<After>;
  /** The module's own forward property, where it is no method of its class. */
  readonly own: PropertyDescriptor | undefined;
}

const hooked = new WeakMap<object, Hooks>();

function install(module: Callable): Hooks {
  const forward = module.forward;
  const hooks: Hooks = {
    before: new Set(),
    after: new Set(),
    own: Object.getOwnPropertyDescriptor(module, 'forward'),
  };
  const value: Call = (...args) => {
    for (const hook of [...hooks.before]) args = hook(module, args) ?? args;
    let output = forward.apply(module, args);
    for (const hook of [...hooks.after]) output = hook(module, args, output) ?? output;
    return output;
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

/** Adds a hook; returns a function that removes it. */
export function addHook(module: object, when: 'before' | 'after', hook: (...args: never[]) => unknown): () => void {
  const target = module as Callable;
  const hooks = hooked.get(module) ?? install(target);
  const set = hooks[when] as Set<unknown>;
  const entry = hook.bind(null); // so that one function can be registered twice
  set.add(entry);
  return () => {
    set.delete(entry);
    if (hooked.get(module) === hooks && hooks.before.size + hooks.after.size === 0) uninstall(target, hooks);
  };
}
