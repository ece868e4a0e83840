// SPDX-License-Identifier: Apache-2.0
import type * as lenode from '../../lib/index.js';
import type { Job } from './samples.mjs';

export function runJob(library: typeof lenode, job: Job): { passed: number; failures: string[] };
