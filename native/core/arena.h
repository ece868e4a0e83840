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

// Gives every item its offset; returns the arena's size. The largest items are placed first.
//
// `threads` that share out each item among them, the first thread the first part, have caches of their own. What one of
// them writes where another wrote before must first come over from that one's cache; between two blocks of cores this is
// as slow as memory. So a little room is given for items to lie where the parts of those before and after them are the
// same threads'. With one thread each item lies as low as it can.
size_t plan_arena(std::vector<ArenaItem*> items, int threads);

}  // namespace lenode
