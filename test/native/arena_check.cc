// SPDX-License-Identifier: Apache-2.0
// Plans random lists of items and prints, for one and for four threads, the arena's size, whether items that live at once
// share bytes, and how many of the bytes that an item writes were another thread's in the item before.
#include <cstdio>
#include <random>
#include <vector>

#include "core/arena.h"

using lenode::ArenaItem;

namespace {

// Like a network's tensors: few sizes, most of them short-lived, some until the backward pass.
std::vector<ArenaItem> network(unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % n); };
  std::vector<size_t> sizes;
  for (int i = 0; i < 4; ++i) sizes.push_back((size_t{1} << 20) + below(8 << 20));
  std::vector<ArenaItem> items(60);
  for (int i = 0; i < 60; ++i) {
    items[i].bytes = below(4) ? sizes[below(4)] : 1 + below(4096);
    items[i].first = i + 1;
    items[i].last = i < 30 && below(2) ? 61 - i : i + 1 + below(3);
  }
  return items;
}

bool overlap(const ArenaItem& a, const ArenaItem& b) {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

// Of every 4096 bytes the thread that wrote them last, by time.
double handed_over(const std::vector<ArenaItem>& items, size_t size, int threads) {
  constexpr size_t kStep = 4096;
  std::vector<int> owners(size / kStep + 1, -1);
  double handed = 0, all = 0;
  for (const ArenaItem& item : items) {
    if (item.bytes < (size_t{256} << 10)) continue;
    for (size_t at = (item.offset + kStep - 1) / kStep; (at + 1) * kStep <= item.offset + item.bytes; ++at) {
      const int owner = static_cast<int>((at * kStep - item.offset) * threads / item.bytes);
      if (owners[at] >= 0) handed += owners[at] != owner;
      owners[at] = owner;
      ++all;
    }
  }
  return handed / all;
}

}  // namespace

int main() {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const auto measure = [&](int threads) {
      std::vector<ArenaItem> items = network(seed);
      std::vector<ArenaItem*> pointers;
      for (ArenaItem& item : items) pointers.push_back(&item);
      const size_t size = lenode::plan_arena(pointers, threads);
      bool sound = true;
      for (const ArenaItem& a : items) {
        sound = sound && a.offset + a.bytes <= size && a.offset % lenode::kArenaAlignment == 0;
        for (const ArenaItem& b : items)
          if (&a < &b && a.first <= b.last && b.first <= a.last && overlap(a, b)) sound = false;
      }
      std::printf("%zu %d %.4f\n", size, sound, handed_over(items, size, 4));
    };
    measure(1);
    measure(4);
  }
}
