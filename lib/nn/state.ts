// SPDX-License-Identifier: Apache-2.0
// Loading by name: everything is checked first, so that a dictionary that does not fit changes nothing.
import { withoutGrad } from '../autograd/mode.js';
import { StateDictError } from '../native/errors.js';
import { copy_ } from '../ops/inplace.js';
import { to } from '../ops/view.js';
import type { DType } from '../tensor/dtype.js';
import { formatShape, sameShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** Tensors by PyTorch's names: `features.0.weight`. */
export type StateDict = Record<string, Tensor>;

/** What a comparison of names found. */
export interface KeyReport {
  /** What the module has and the dictionary lacks. */
  missingKeys: string[];
  /** What the dictionary has and the module lacks. */
  unexpectedKeys: string[];
}

/** What is known of a tensor before it is read. */
export interface TensorInfo {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Versions of the modules that a state dict was taken from, by their names: PyTorch's `_metadata`. */
export type VersionTable = ReadonlyMap<string, number>;

const versionTables = new WeakMap<object, VersionTable>();

/** Remembers with a state dict the versions that its file gave. */
export function setVersions(state: object, versions: VersionTable): void {
  versionTables.set(state, versions);
}
export function versionsOf(state: object): VersionTable | undefined {
  return versionTables.get(state);
}

const BATCH_COUNT = 'num_batches_tracked';
const BATCH_COUNT_SINCE = 2;

// As in PyTorch: layers of normalization did not count batches at first, and keep their count then.
function mayBeMissing(key: string, versions: VersionTable | undefined): boolean {
  if (key !== BATCH_COUNT && !key.endsWith(`.${BATCH_COUNT}`)) return false;
  const version = versions?.get(key.slice(0, -BATCH_COUNT.length - 1));
  return version === undefined || version < BATCH_COUNT_SINCE;
}

export interface FitRules {
  /** Whether missing and unexpected names are errors. Tensors of the wrong shape always are. */
  strict: boolean;
  /** Whether dtypes must be equal and all names there; else values are converted, and old files may lack counts. */
  exact?: boolean;
  /** Of the modules that the values were taken from. */
  versions?: VersionTable | undefined;
}

/**
 * Compares what is offered with what is there.
 *
 * @param what begins the message
 * @throws StateDictError that names every missing, unexpected and misfitting entry
 */
export function checkFit(
  present: ReadonlyMap<string, TensorInfo>,
  offered: ReadonlyMap<string, TensorInfo>,
  what: string,
  { strict, exact = false, versions }: FitRules,
): KeyReport {
  const missingKeys = [...present.keys()].filter((key) => !offered.has(key) && (exact || !mayBeMissing(key, versions)));
  const unexpectedKeys = [...offered.keys()].filter((key) => !present.has(key));
  const misfits: string[] = [];
  for (const [key, mine] of present) {
    const theirs = offered.get(key);
    if (!theirs) continue;
    if (!sameShape(mine.shape, theirs.shape))
      misfits.push(`${key}: expected shape ${formatShape(mine.shape)}, got ${formatShape(theirs.shape)}`);
    else if (exact && mine.dtype !== theirs.dtype)
      misfits.push(`${key}: expected dtype ${mine.dtype}, got ${theirs.dtype}`);
  }
  const problems = [
    ...(strict ? [list('missing', missingKeys), list('unexpected', unexpectedKeys)] : []),
    list('of another shape or dtype', misfits),
  ].filter((line) => line !== '');
  if (problems.length > 0) throw new StateDictError(`${what}\n${problems.join('\n')}`);
  return { missingKeys, unexpectedKeys };
}

const MAX_LISTED = 20;

function list(title: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  const more = names.length > MAX_LISTED ? [`... and ${names.length - MAX_LISTED} more`] : [];
  return `  ${title}: ${[...names.slice(0, MAX_LISTED), ...more].join(', ')}`;
}

/**
 * Gets ready to copy values into tensors that exist, converting and moving them as needed: what can fail (a disposed
 * tensor, a device without memory) fails here, and not when the returned function does it.
 */
export function stageValues(pairs: readonly (readonly [target: Tensor, source: Tensor])[], where: string): () => void {
  const staged = withoutGrad(() =>
    pairs.map(([target, source]) => [alive(target, where), to(alive(source, where), target.device)] as const),
  );
  return () => withoutGrad(() => staged.forEach(([target, source]) => copy_(target, source)));
}

function alive(t: Tensor, where: string): Tensor {
  if (t.disposed) throw new StateDictError(`${where}: a tensor of shape ${formatShape(t.shape)} was disposed`);
  return t;
}
