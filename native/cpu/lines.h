// SPDX-License-Identifier: Apache-2.0
// Ops along one dimension (softmax, losses, scans, sorts): their kernels see contiguous lines of a compute type.
// Lines that are not that in memory are gathered in batches of neighbours, so that cache lines are used whole.
#pragma once
#include <memory>

#include "cpu/parallel.h"
#include "cpu/strided.h"

namespace lenode::cpu {

struct LineOperand {
  const TensorView* view;
  Compute compute;
  bool output = false;
};

// dim as a position in x's shape, counted from the end if negative; fails where there is none.
int checked_dim(const char* name, const TensorView& x, int64_t dim);
// A scalar counts as a vector of one element.
TensorView at_least_1d(const TensorView& view);
// The view with a dimension of size 1 put in at `dim`, unless its rank is `rank` already.
TensorView with_dim(const TensorView& view, int dim, int rank);

class Lines {
 public:
  // All operands have the same rank, and the same shape but along `dim`.
  Lines(std::initializer_list<LineOperand> operands, int dim);

  int64_t count() const { return loop_.numel; }
  int64_t length(int operand) const { return operands_[operand].length; }
  // Threads for lines whose kernel takes `cost` simple operations.
  int slots(int64_t cost) const { return useful_threads(count(), cost); }

  // body(slot, pointers): one line, a pointer for each operand. Slots are those of parallel_slots().
  template <class Body>
  void run(int slots, Body&& body) const {
    if (count() == 0) return;
    const std::unique_ptr<char[]> scratch(new char[slots * scratch_bytes_ + 64]);
    parallel_slots(slots, count(), [&](int slot, int64_t begin, int64_t end) {
      char* buffer = scratch.get() + slot * scratch_bytes_;
      buffer += (64 - reinterpret_cast<uintptr_t>(buffer) % 64) % 64;
      void* pointers[kMaxOperands];
      Walker walker(loop_, begin);
      while (walker.position() < end) {
        const int64_t lines = std::min({batch_, end - walker.position(), walker.left_in_row()});
        gather(walker, lines, buffer);
        for (int64_t line = 0; line < lines; ++line) {
          locate(walker, line, buffer, pointers);
          body(slot, pointers);
        }
        scatter(walker, lines, buffer);
        walker.advance(lines);
      }
    });
  }

 private:
  struct Access {
    const TensorView* view;
    int64_t length, stride;
    int64_t item;      // bytes of an element in the buffer, or in memory where it is direct
    int64_t buffer;    // where this operand's lines start in the scratch memory
    bool direct, output;
    Load load;
    Store store;
  };
  void gather(const Walker& walker, int64_t lines, char* scratch) const;
  void scatter(const Walker& walker, int64_t lines, const char* scratch) const;
  void locate(const Walker& walker, int64_t line, char* scratch, void** pointers) const;

  StridedLoop loop_;
  int count_ = 0;
  Access operands_[kMaxOperands];
  int64_t batch_ = 1;
  int64_t scratch_bytes_ = 0;
};

}  // namespace lenode::cpu
