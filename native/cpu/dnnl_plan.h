// SPDX-License-Identifier: Apache-2.0
// A plan is a oneDNN primitive that is ready to run again and again: with its memory objects, the reorders between
// the caller's layouts and the primitive's, and places in the context's scratch buffer for everything in between.
// Plans are kept in a bounded cache under one plain key.
#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/tensor_view.h"
#include "cpu/dnnl_compat.h"

namespace lenode::cpu {

struct Context;

// Everything that a plan depends on, as numbers.
class PlanKey {
 public:
  explicit PlanKey(int64_t op) { add(op); }

  template <class... Numbers>
  void add(Numbers... numbers) {
    static_assert(sizeof...(numbers) <= 8);
    if (count_ + static_cast<int>(sizeof...(numbers)) > kCapacity) return overflow();
    ((words_[count_++] = static_cast<int64_t>(numbers)), ...);
  }
  void add(const TensorView& view) {
    add(view.rank);
    if (!view.present()) return;
    add(static_cast<int64_t>(view.dtype));
    for (int i = 0; i < view.rank; ++i) add(view.dims[i], view.strides[i]);
  }

  bool operator==(const PlanKey& other) const {
    return count_ == other.count_ && std::memcmp(words_, other.words_, sizeof(int64_t) * count_) == 0;
  }
  size_t hash() const {
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < count_; ++i) {
      h = (h ^ static_cast<uint64_t>(words_[i])) * 0xff51afd7ed558ccdu;
      h ^= h >> 32;
    }
    return h;
  }

 private:
  [[noreturn]] void overflow();

  static constexpr int kCapacity = 96;
  int count_ = 0;
  int64_t words_[kCapacity];
};

class Plan {
 public:
  // A plan that cannot run: oneDNN has no (fast) implementation. It is cached like others, so that the question
  // is asked once.
  Plan() = default;
  Plan(const dnnl::engine& engine, const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad);

  bool supported() const { return static_cast<bool>(primitive_); }

  // Operands in the order in which run() gets their data: how the caller's data lies, and how the primitive wants it.
  void input(int arg, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted);
  void output(int arg, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted);

  // Data of operands beyond those of the plan is ignored: absent optional ones come last.
  void run(Context& context, std::initializer_list<const void*> data);

 private:
  struct Operand {
    dnnl::memory given, wanted;  // the same object where no reorder is needed
    dnnl::primitive reorder;     // absent where none is needed
    dnnl::memory reorder_scratchpad;
    size_t offset = 0;           // of `wanted` in the scratch buffer
    bool is_output = false;
  };

  void add(int arg, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted, bool is_output);
  void place(char* scratch);
  void reorder(Context& context, Operand& operand);

  dnnl::engine engine_;
  dnnl::primitive primitive_;
  dnnl::memory scratchpad_;
  std::vector<Operand> operands_;
  std::vector<dnnl_exec_arg_t> args_;
  size_t scratchpad_bytes_ = 0;  // the largest of the primitive's and its reorders', which run one after the other
  size_t wanted_bytes_ = 0;      // all operands that are reordered, behind the scratchpad
  char* placed_at_ = nullptr;
};

class PlanCache {
 public:
  // The plan of `key`, made by build() -> Plan on first use. An `unimplemented` from oneDNN gives an unsupported plan.
  template <class Build>
  Plan& get(const PlanKey& key, Build&& build) {
    if (Plan* plan = find(key)) return *plan;
    return insert(key, guarded(build));
  }
  void clear();
  size_t size() const { return plans_.size(); }

 private:
  static constexpr size_t kCapacity = 1024;

  template <class Build>
  static Plan guarded(Build&& build) {
    try {
      return build();
    } catch (const dnnl::error& error) {
      if (error.status != dnnl_unimplemented) throw;
      return Plan();
    }
  }

  struct Entry {
    PlanKey key;
    Plan plan;
  };
  struct Hash {
    size_t operator()(const PlanKey* key) const { return key->hash(); }
  };
  struct Equal {
    bool operator()(const PlanKey* a, const PlanKey* b) const { return *a == *b; }
  };

  Plan* find(const PlanKey& key);
  Plan& insert(const PlanKey& key, Plan plan);

  std::list<Entry> plans_;  // the most recently used first
  std::unordered_map<const PlanKey*, std::list<Entry>::iterator, Hash, Equal> index_;
};

// Attributes that every primitive here has: scratchpads are ours.
dnnl::primitive_attr plan_attr();

// An implementation without vector code: slower than converting to a dtype that has one.
bool is_reference(const char* implementation);

dnnl::memory::data_type dnnl_type(DType dtype);  // floating dtypes but float64

}  // namespace lenode::cpu
