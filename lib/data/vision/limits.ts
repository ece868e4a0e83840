// SPDX-License-Identifier: Apache-2.0

/** Files that claim more are refused before memory is taken. */
export const MAX_PIXELS = 2 ** 28;
