// SPDX-License-Identifier: Apache-2.0
#include "core/faults.h"

#include <algorithm>
#include <utility>

namespace lenode {

FaultPtr Faults::carried_by(uint64_t storage) const {
  const auto found = carriers_.find(storage);
  return found == carriers_.end() ? nullptr : found->second;
}

void Faults::carry(uint64_t storage, const FaultPtr& fault) {
  if (storage != 0) carriers_[storage] = fault;
}

// Whether an output keeps its value where the call is left out.
bool Faults::lasts(const Call& call, int output) const {
  const OutputRole role = output_role(call.op, output);
  const TensorView& view = call.outputs[output];
  return role == OutputRole::lasting || role == OutputRole::generator || view.kept ||
         (update_ && view.storage <= update_made_);
}

bool Faults::admit(const Call& call) {
  if (call.op == OpId::end_update) {
    update_.reset();
    return true;
  }
  FaultPtr fault;
  for (int i = 0; i < call.n_inputs && !fault; ++i) fault = carried_by(call.inputs[i].storage);
  if (call.op == OpId::begin_update) {
    update_ = fault;
    update_made_ = static_cast<uint64_t>(call.f(op::begin_update::attr::made));
    return true;
  }
  for (int i = 0; i < call.n_outputs && !fault; ++i)
    if (output_role(call.op, i) != OutputRole::overwritten) fault = carried_by(call.outputs[i].storage);
  for (int i = 0; i < call.n_outputs && !fault && update_; ++i)
    if (call.outputs[i].present() && call.outputs[i].storage <= update_made_) fault = update_;
  if (fault) leave(call, fault);
  return !fault;
}

void Faults::ran(const Call& call) {
  for (int i = 0; i < call.n_outputs; ++i)
    if (call.outputs[i].whole && output_role(call.op, i) == OutputRole::overwritten) heal(call.outputs[i].storage);
}

void Faults::leave(const Call& call, const FaultPtr& fault) {
  for (int i = 0; i < call.n_outputs; ++i)
    if (call.outputs[i].present() && !lasts(call, i)) carry(call.outputs[i].storage, fault);
  leave_out(call, fault);
}

void Faults::leave_out(const Call& call, const FaultPtr& fault) {
  std::lock_guard lock(mutex_);
  for (int i = 0; i < call.n_outputs; ++i) {
    // A generator is shared by those who have nothing else in common.
    if (!call.outputs[i].present() || !lasts(call, i) || output_role(call.op, i) == OutputRole::generator) continue;
    const uint64_t storage = call.outputs[i].storage;
    auto& all = fault->left_out;
    if (std::find(all.begin(), all.end(), storage) == all.end()) all.push_back(storage);
  }
}

FaultPtr Faults::add(int32_t code, std::string message, uint64_t sequence) {
  auto fault = std::make_shared<Fault>();
  fault->code = static_cast<ErrorCode>(code);
  fault->message = std::move(message);
  fault->sequence = sequence;
  std::lock_guard lock(mutex_);
  untold_.push_back(fault);
  untold_count_.store(untold_.size(), std::memory_order_release);
  return fault;
}

FaultPtr Faults::add(int32_t code, std::string message, const Call& call) {
  const auto finding = [](const std::string& text) { return text.substr(std::min(text.find(": "), text.size())); };
  std::vector<uint64_t> operands;
  for (int i = 0; i < call.n_inputs; ++i)
    if (call.inputs[i].present()) operands.push_back(call.inputs[i].storage);
  {
    std::lock_guard lock(mutex_);
    for (const FaultPtr& fault : untold_) {
      const auto& before = fault->operands;
      if (fault->code == static_cast<ErrorCode>(code) && finding(fault->message) == finding(message) &&
          std::find_first_of(before.begin(), before.end(), operands.begin(), operands.end()) != before.end())
        return fault;
    }
  }
  FaultPtr fault = add(code, std::move(message), call.sequence);
  fault->operands = std::move(operands);
  return fault;
}

void Faults::forget_all_but(const std::unordered_set<uint64_t>& live) {
  std::unordered_set<const Fault*> carried;
  for (auto entry = carriers_.begin(); entry != carriers_.end();) {
    if (live.count(entry->first)) {
      carried.insert(entry->second.get());
      ++entry;
    } else {
      entry = carriers_.erase(entry);
    }
  }
  std::lock_guard lock(mutex_);
  size_t abandoned = 0;
  for (const FaultPtr& fault : untold_) {
    auto& left_out = fault->left_out;
    left_out.erase(std::remove_if(left_out.begin(), left_out.end(), [&](uint64_t id) { return !live.count(id); }),
                   left_out.end());
    fault->abandoned = !carried.count(fault.get());
    abandoned += fault->abandoned;
  }
  abandoned_count_.store(abandoned, std::memory_order_release);
}

void Faults::remove(size_t index) {
  if (untold_[index]->abandoned) abandoned_count_.fetch_sub(1, std::memory_order_release);
  untold_.erase(untold_.begin() + static_cast<std::ptrdiff_t>(index));
  untold_count_.store(untold_.size(), std::memory_order_release);
}

void Faults::tell(const Fault& fault) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < untold_.size(); ++i)
    if (untold_[i].get() == &fault) return remove(i);
}

FaultPtr Faults::take() {
  std::lock_guard lock(mutex_);
  if (untold_.empty()) return nullptr;
  FaultPtr fault = untold_.front();
  remove(0);
  return fault;
}

FaultPtr Faults::claim(const Call& call) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < untold_.size(); ++i) {
    const FaultPtr fault = untold_[i];
    if (!fault->abandoned) continue;
    const auto& left_out = fault->left_out;
    const auto touches = [&](const TensorView& view) {
      return view.present() && std::find(left_out.begin(), left_out.end(), view.storage) != left_out.end();
    };
    if (left_out.empty() || std::any_of(call.inputs, call.inputs + call.n_inputs, touches) ||
        std::any_of(call.outputs, call.outputs + call.n_outputs, touches)) {
      remove(i);
      return fault;
    }
  }
  return nullptr;
}

}  // namespace lenode
