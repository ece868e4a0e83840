// SPDX-License-Identifier: Apache-2.0
// Loads every class that a worker thread may have to make.
import './combine.js';
import './datasets.js';
import './transforms/index.js';
