// SPDX-License-Identifier: Apache-2.0
#include "core/arena.h"

#include <algorithm>

namespace lenode {
namespace {

size_t aligned(size_t bytes) { return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; }

bool live_together(const ArenaItem& a, const ArenaItem& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

size_t plan_arena(std::vector<ArenaItem*> items) {
  // Ties by the order of use, so that one list always gives one plan.
  std::stable_sort(items.begin(), items.end(), [](const ArenaItem* a, const ArenaItem* b) {
    return a->bytes != b->bytes ? a->bytes > b->bytes : a->first < b->first;
  });
  std::vector<ArenaItem*> placed;  // by offset
  size_t size = 0;
  for (ArenaItem* item : items) {
    const size_t bytes = aligned(item->bytes);
    size_t offset = 0;
    for (const ArenaItem* other : placed) {
      if (!live_together(*item, *other)) continue;
      if (offset + bytes <= other->offset) break;  // it fits into the gap before
      offset = std::max(offset, other->offset + aligned(other->bytes));
    }
    item->offset = offset;
    size = std::max(size, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), item,
                                   [](const ArenaItem* a, const ArenaItem* b) { return a->offset < b->offset; }),
                  item);
  }
  return size;
}

}  // namespace lenode
