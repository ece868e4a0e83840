// SPDX-License-Identifier: Apache-2.0
// Places in one block of memory for storages whose lifetimes are known: those that never live at once share bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lenode {

constexpr size_t kArenaAlignment = 256;

struct ArenaItem {
  size_t bytes = 0;
  int64_t first = 0, last = 0;  // the first and the last call that touch it
  size_t offset = 0;            // the result
};

// Gives every item its offset; returns the arena's size. The largest items are placed first, each as low as what has
// been placed and lives at the same time allows.
size_t plan_arena(std::vector<ArenaItem*> items);

}  // namespace lenode
