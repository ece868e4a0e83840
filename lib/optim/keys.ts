// SPDX-License-Identifier: Apache-2.0
// State dicts have PyTorch's names, options have TypeScript's.

/** `weightDecay` as `weight_decay`, `TMax` as `T_max`. */
export function snakeCase(name: string): string {
  return name.replace(/(?!^)[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `weight_decay` as `weightDecay`. */
export function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
