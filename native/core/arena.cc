// SPDX-License-Identifier: Apache-2.0
#include "core/arena.h"

#include <algorithm>

namespace lenode {
namespace {

constexpr size_t kLeastShared = size_t{256} << 10;  // bytes of the smallest item worth a search
constexpr size_t kLeastRoom = size_t{16} << 20;     // that a plan may take beyond the smallest
constexpr int kMostParts = 16;

size_t aligned(size_t bytes) { return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; }

bool live_together(const ArenaItem& a, const ArenaItem& b) { return a.first <= b.last && b.first <= a.last; }

// Offsets that an item may have.
struct Gap {
  size_t first, last;
};

// Bytes that are one thread's in an item of `bytes` at `offset` and another's in `other`.
size_t handed_over(size_t offset, size_t bytes, const ArenaItem& other, int parts) {
  const size_t low = std::max(offset, other.offset), high = std::min(offset + bytes, other.offset + other.bytes);
  if (high <= low) return 0;
  size_t kept = 0;
  for (int part = 0; part < parts; ++part) {
    const size_t begin = std::max(offset + bytes * part / parts, other.offset + other.bytes * part / parts);
    const size_t end = std::min(offset + bytes * (part + 1) / parts, other.offset + other.bytes * (part + 1) / parts);
    if (end > begin) kept += end - begin;
  }
  return high - low - kept;
}

class Plan {
 public:
  // Items of kLeastShared bytes or more may lie anywhere below `limit`.
  Plan(int parts, size_t limit) : parts_(parts), limit_(limit / kArenaAlignment * kArenaAlignment) {}

  void place(ArenaItem& item) {
    const size_t bytes = aligned(item.bytes);
    const std::vector<Gap> gaps = gaps_for(item, bytes);
    const bool searches = parts_ > 1 && bytes >= kLeastShared && gaps.front().first + bytes <= limit_;
    item.offset = searches ? best(item, bytes, gaps) : gaps.front().first;
    size_ = std::max(size_, item.offset + bytes);
    placed_.insert(std::upper_bound(placed_.begin(), placed_.end(), &item,
                                    [](const ArenaItem* a, const ArenaItem* b) { return a->offset < b->offset; }),
                   &item);
  }

  size_t size() const { return size_; }
  size_t handed_over_bytes() const { return handed_over_; }

 private:
  // The last one is open: it ends at the limit, or has but one offset.
  std::vector<Gap> gaps_for(const ArenaItem& item, size_t bytes) const {
    std::vector<Gap> gaps;
    size_t at = 0;
    for (const ArenaItem* other : placed_) {
      if (!live_together(item, *other)) continue;
      if (at + bytes <= other->offset) gaps.push_back({at, other->offset - bytes});
      at = std::max(at, other->offset + aligned(other->bytes));
    }
    gaps.push_back({at, std::max(at, limit_ > bytes ? limit_ - bytes : 0)});
    return gaps;
  }

  // The offset with the fewest bytes that change hands, the lowest of several. Candidates are the ends of gaps, and where
  // the middle of the item is that of one placed before.
  size_t best(const ArenaItem& item, size_t bytes, const std::vector<Gap>& gaps) {
    std::vector<const ArenaItem*> others;
    for (const ArenaItem* other : placed_)
      if (other->bytes >= kLeastShared && !live_together(item, *other)) others.push_back(other);
    size_t found = gaps.front().first, least = SIZE_MAX;
    const auto consider = [&](size_t offset) {
      size_t cost = 0;
      for (const ArenaItem* other : others) {
        if (other->offset >= offset + bytes || cost > least) break;
        cost += handed_over(offset, item.bytes, *other, parts_);
      }
      if (cost < least || (cost == least && offset < found)) least = cost, found = offset;
    };
    for (const Gap& gap : gaps) {
      if (gap.first + bytes > limit_) break;
      consider(gap.first);
      consider(gap.last);
      for (const ArenaItem* other : others) {
        const size_t middle = other->offset + other->bytes / 2;
        const size_t offset = middle > item.bytes / 2 ? aligned(middle - item.bytes / 2) : 0;
        if (offset > gap.first && offset < gap.last) consider(offset);
      }
      if (least == 0) break;
    }
    handed_over_ += least;
    return found;
  }

  int parts_;
  size_t limit_, size_ = 0, handed_over_ = 0;
  std::vector<const ArenaItem*> placed_;  // by offset
};

Plan place_all(const std::vector<ArenaItem*>& items, int parts, size_t limit) {
  Plan plan(parts, limit);
  for (ArenaItem* item : items) plan.place(*item);
  return plan;
}

}  // namespace

size_t plan_arena(std::vector<ArenaItem*> items, int threads) {
  // Ties by the order of use, so that one list always gives one plan.
  std::stable_sort(items.begin(), items.end(), [](const ArenaItem* a, const ArenaItem* b) {
    return a->bytes != b->bytes ? a->bytes > b->bytes : a->first < b->first;
  });
  const size_t smallest = place_all(items, 1, 0).size();
  if (threads <= 1) return smallest;
  const size_t room = std::max(smallest / 6, kLeastRoom);
  const int parts = std::min(threads, kMostParts);
  size_t limit = 0, least = SIZE_MAX;
  for (const size_t tried : {smallest, smallest + room / 2, smallest + room}) {
    const Plan plan = place_all(items, parts, tried);
    const size_t cost = plan.size() + 2 * plan.handed_over_bytes();
    if (plan.size() <= smallest + room && cost < least) least = cost, limit = tried;
  }
  return place_all(items, limit ? parts : 1, limit).size();
}

}  // namespace lenode
