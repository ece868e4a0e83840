// SPDX-License-Identifier: Apache-2.0
#include "core/runner.h"

#include <utility>

namespace lenode {
namespace {

// Calls after which a device that finds faults late is asked for them.
constexpr size_t kJournal = 16384;

bool is_step(OpId id) {
#define LENODE_OP(...)
#define LENODE_STEP(name, ...) \
  if (id == OpId::name) return true;
#include "core/ops.def"
  return false;
}

}  // namespace

void Runner::run(const Call& call) {
  const bool any = faults.any();
  if (any && !faults.admit(call)) return;
  if (const int32_t status = api->run(context, &call)) {
    faults.leave(call, faults.add(status, api->last_error(), call));
    return;
  }
  if (any) faults.ran(call);
  if (api->may_report) launched(&call, 1);
}

FaultPtr Runner::fail(int32_t status, uint64_t sequence, const std::vector<Call>* left) {
  FaultPtr fault = faults.add(status, api->last_error(), sequence);
  if (left)
    for (const Call& call : *left) faults.leave(call, fault);
  return fault;
}

void Runner::launched(const Call* calls, size_t count) {
  if (!api->may_report || (journal_.empty() && !api->may_report(context))) return;
  if (journal_.size() + count > kJournal) synchronize();
  for (size_t i = 0; i < count; ++i) note(calls[i]);
}

void Runner::note(const Call& call) {
  Entry entry{call, {}, call.op == OpId::begin_update ? call.f(op::begin_update::attr::made) : 0};
  entry.operands.reserve(call.n_inputs + call.n_outputs);
  entry.operands.insert(entry.operands.end(), call.inputs, call.inputs + call.n_inputs);
  entry.operands.insert(entry.operands.end(), call.outputs, call.outputs + call.n_outputs);
  journal_.push_back(std::move(entry));
}

void Runner::synchronize() {
  uint64_t sequence = 0;
  const int32_t status = api->synchronize(context, &sequence);
  if (status != 0) found_late(status, sequence);
  journal_.clear();
}

// What has been computed from the culprit's results since then is what would have been left out. A replay that was
// launched twice numbers its calls alike: the first is taken for the culprit's.
void Runner::found_late(int32_t status, uint64_t sequence) {
  const FaultPtr fault = faults.add(status, api->last_error(), sequence);
  bool found = false;
  for (Entry& entry : journal_) {
    Call& call = entry.call;
    call.inputs = entry.operands.data();
    call.outputs = call.inputs + call.n_inputs;
    call.attrs = &entry.made;
    if (!found) {
      found = call.sequence == sequence;
      if (found) faults.leave(call, fault);
      continue;
    }
    if (faults.any() && !faults.admit(call)) continue;
    faults.ran(call);
    if (is_step(call.op)) faults.leave_out(call, fault);
  }
}

}  // namespace lenode
