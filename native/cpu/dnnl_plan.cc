// SPDX-License-Identifier: Apache-2.0
#include "cpu/dnnl_plan.h"

#include <algorithm>

#include "core/error.h"
#include "cpu/context.h"

namespace lenode::cpu {
namespace {

constexpr size_t kAlignment = 64;
size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

dnnl_exec_arg_t exec_arg(int arg, const dnnl::memory& memory) { return {arg, memory.get()}; }

void execute(const dnnl::primitive& primitive, const dnnl::stream& stream, const std::vector<dnnl_exec_arg_t>& args) {
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(primitive.get(), stream.get(), static_cast<int>(args.size()), args.data()),
      "dnnl_primitive_execute failed");
}

}  // namespace

void PlanKey::overflow() { fail(ErrorCode::internal, "a plan key has too many numbers"); }

Plan::Plan(const dnnl::engine& engine, const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad)
    : engine_(engine),
      primitive_(primitive),
      scratchpad_(scratchpad, engine, nullptr),
      scratchpad_bytes_(aligned(scratchpad.get_size())) {
  args_.push_back(exec_arg(DNNL_ARG_SCRATCHPAD, scratchpad_));
}

void Plan::input(int arg, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted) {
  add(arg, given, wanted, false);
}

void Plan::output(int arg, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted) {
  add(arg, given, wanted, true);
}

void Plan::add(int arg, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted, bool is_output) {
  Operand operand;
  operand.is_output = is_output;
  operand.given = dnnl::memory(given, engine_, nullptr);
  if (given == wanted) {
    operand.wanted = operand.given;
  } else {
    operand.wanted = dnnl::memory(wanted, engine_, nullptr);
    operand.offset = wanted_bytes_;
    wanted_bytes_ += aligned(wanted.get_size());
    const dnnl::reorder::primitive_desc desc(engine_, is_output ? wanted : given, engine_, is_output ? given : wanted,
                                             plan_attr());
    operand.reorder = dnnl::reorder(desc);
    operand.reorder_scratchpad = dnnl::memory(desc.scratchpad_desc(), engine_, nullptr);
    scratchpad_bytes_ = std::max(scratchpad_bytes_, aligned(desc.scratchpad_desc().get_size()));
  }
  args_.push_back(exec_arg(arg, operand.wanted));
  operands_.push_back(std::move(operand));
}

void Plan::place(char* scratch) {
  scratchpad_.set_data_handle(scratch);
  for (Operand& operand : operands_) {
    if (!operand.reorder) continue;
    operand.reorder_scratchpad.set_data_handle(scratch);
    operand.wanted.set_data_handle(scratch + scratchpad_bytes_ + operand.offset);
  }
  placed_at_ = scratch;
}

void Plan::reorder(Context& context, Operand& operand) {
  const dnnl::memory& from = operand.is_output ? operand.wanted : operand.given;
  const dnnl::memory& to = operand.is_output ? operand.given : operand.wanted;
  execute(operand.reorder, context.stream,
          {exec_arg(DNNL_ARG_FROM, from), exec_arg(DNNL_ARG_TO, to),
           exec_arg(DNNL_ARG_SCRATCHPAD, operand.reorder_scratchpad)});
}

void Plan::run(Context& context, std::initializer_list<const void*> data) {
  LENODE_CHECK(data.size() >= operands_.size(), "a plan got too few operands");
  if (const size_t bytes = scratchpad_bytes_ + wanted_bytes_) {
    char* scratch = context.scratch.get(bytes);
    if (scratch != placed_at_) place(scratch);
  }
  const void* const* pointer = data.begin();
  for (Operand& operand : operands_) operand.given.set_data_handle(const_cast<void*>(*pointer++));
  for (Operand& operand : operands_)
    if (operand.reorder && !operand.is_output) reorder(context, operand);
  execute(primitive_, context.stream, args_);
  for (Operand& operand : operands_)
    if (operand.reorder && operand.is_output) reorder(context, operand);
}

Plan* PlanCache::find(const PlanKey& key) {
  const auto found = index_.find(&key);
  if (found == index_.end()) return nullptr;
  plans_.splice(plans_.begin(), plans_, found->second);
  return &found->second->plan;
}

Plan& PlanCache::insert(const PlanKey& key, Plan plan) {
  if (plans_.size() >= kCapacity) {
    index_.erase(&plans_.back().key);
    plans_.pop_back();
  }
  plans_.push_front({key, std::move(plan)});
  index_.emplace(&plans_.front().key, plans_.begin());
  return plans_.front().plan;
}

void PlanCache::clear() {
  index_.clear();
  plans_.clear();
}

dnnl::primitive_attr plan_attr() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

bool is_reference(const char* implementation) { return std::strncmp(implementation, "ref", 3) == 0; }

dnnl::memory::data_type dnnl_type(DType dtype) {
  switch (dtype) {
    case DType::float32: return dnnl::memory::data_type::f32;
    case DType::bfloat16: return dnnl::memory::data_type::bf16;
    case DType::float16: return dnnl::memory::data_type::f16;
    default: fail(ErrorCode::internal, std::string("oneDNN is not used for ") + dtype_name(dtype));
  }
}

}  // namespace lenode::cpu
