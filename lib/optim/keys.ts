// SPDX-License-Identifier: Apache-2.0
// State dicts have PyTorch's names, options have TypeScript's.

/** `weightDecay` as `weight_decay`, `TMax` as `T_max`, `T0` as `T_0`. */
export function snakeCase(name: string): string {
  return name.replace(/^([A-Z])(\d)/, '$1_$2').replace(/(?!^)[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `weight_decay` as `weightDecay`. */
export function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
