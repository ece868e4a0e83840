// SPDX-License-Identifier: Apache-2.0
export interface CudaStatus { available: boolean; devices: number; reason: string; remedy: string }
export function cudaStatus(): CudaStatus { return { available: false, devices: 0, reason: '', remedy: '' }; }
