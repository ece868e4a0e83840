// SPDX-License-Identifier: Apache-2.0
// The host side of the emulation: the runtime calls that handlers make, a Context whose memory is the host's, the
// sort that CUB does on a GPU, and an entry for harness.py.
#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "core/functors.h"
#include "cuda/handlers.h"
#include "cuda/launch.cuh"
#include "cuda/own_kernels.h"
#include "cuda/radix_sort.h"

extern "C" {
cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t) {
  std::memset(target, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  std::memcpy(target, source, bytes);
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t) { return "emulated"; }
}

namespace lenode::cuda {

class StagingRing {};
struct ConvPlans {};
struct MatmulPlans {};

namespace {

int64_t error_slot[4];

// As dispatch.cc's table, without the handlers that call libraries.
using Handler = void (*)(Context&, const Call&);
Handler handler(const std::string& op) {
#define LENODE_UNARY(name, attrs) \
  if (op == #name) return run_unary<functor::name>;
#define LENODE_UNARY_FLOAT(name, attrs) \
  if (op == #name) return run_unary_float<functor::name>;
#define LENODE_PREDICATE(name) \
  if (op == #name) return run_predicate<functor::name>;
#define LENODE_BINARY(name, attrs) \
  if (op == #name) return run_binary<functor::name>;
#define LENODE_BINARY_FLOAT(name, attrs) \
  if (op == #name) return run_binary_float<functor::name>;
#define LENODE_COMPARE(name) \
  if (op == #name) return run_compare<functor::name>;
#define LENODE_TERNARY_FLOAT(name) \
  if (op == #name) return run_ternary_float<functor::name>;
#define LENODE_STEP(name, outputs, attrs) \
  if (op == #name) return op_##name;
#define LENODE_OP(name, inputs, outputs, attrs, devices)
#include "core/ops.def"
  static const std::pair<const char*, Handler> others[] = {
#define OTHER(name) {#name, op_##name}
#define OWN(name) {#name, own::name}
      OTHER(where), OTHER(sum), OTHER(mean), OTHER(prod), OTHER(amax), OTHER(amin), OTHER(var), OTHER(any), OTHER(all),
      OTHER(max_dim), OTHER(min_dim), OTHER(cumsum), OTHER(cumprod), OTHER(sort), OTHER(topk), OWN(max_pool),
      OTHER(max_pool_backward), OWN(batch_norm), OTHER(batch_norm_inference), OWN(batch_norm_backward),
      OTHER(group_norm), OTHER(group_norm_backward), OTHER(local_response_norm), OTHER(local_response_norm_backward),
      OTHER(resample), OWN(avg_pool), OWN(avg_pool_backward), OTHER(softmax), OTHER(log_softmax),
      OTHER(softmax_backward), OTHER(log_softmax_backward), OTHER(cross_entropy), OTHER(cross_entropy_backward),
      OTHER(nll_loss), OTHER(nll_loss_backward), OTHER(copy), OTHER(fill), OTHER(arange), OTHER(linspace), OTHER(cat),
      OTHER(index_select), OTHER(index_add), OTHER(gather), OTHER(scatter_add), OTHER(scatter), OTHER(one_hot), OTHER(rand),
      OTHER(randn), OTHER(randint), OTHER(dropout), OTHER(dropout_backward), OTHER(total_norm), OTHER(clip_scale),
      OTHER(unscale), OTHER(update_scale),
      {"batch_norm:running", own::update_running_statistics}
#undef OTHER
#undef OWN
  };
  for (const auto& [name, found] : others)
    if (op == name) return found;
  fail(ErrorCode::unsupported, op + ": not emulated");
}

}  // namespace

// A small device, so that grid-stride loops take several rounds.
Context::Context(int) : multiprocessors(3), max_threads_per_multiprocessor(512), error_slot_(error_slot) {}
Context::~Context() = default;

void* Context::workspace(size_t bytes) {
  void* data = std::aligned_alloc(256, (bytes + 511) / 256 * 256);
  std::memset(data, 0xcb, bytes);  // no kernel may count on zeros
  blocks_.push_back({static_cast<char*>(data), bytes});
  return data;
}

void Context::reset_workspace() {
  for (const Block& block : blocks_) std::free(block.data);
  blocks_.clear();
}

void radix_sort(Context&, SortBuffers& buffers, int64_t count, int bits) {
  const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return (buffers.keys[a] & mask) < (buffers.keys[b] & mask); });
  for (int64_t i = 0; i < count; ++i) {
    buffers.other_keys[i] = buffers.keys[order[i]];
    buffers.other_values[i] = buffers.values[order[i]];
  }
  std::swap(buffers.keys, buffers.other_keys);
  std::swap(buffers.values, buffers.other_values);
}

namespace {
thread_local std::string message;
}

// Returns an ErrorCode; emulation_message() says more.
extern "C" int emulation_run(const char* op, int n_inputs, const TensorView* inputs, int n_outputs,
                             const TensorView* outputs, int n_attrs, const double* attrs, int deterministic) {
  static Context context(0);
  context.deterministic = deterministic != 0;
  Call call;
  const std::string named = std::string(op).substr(0, std::string(op).find(':'));  // a part of an op follows its name
  for (int id = 0; id < kOpCount; ++id)
    if (std::string(op_info(static_cast<OpId>(id)).name) == named) call.op = static_cast<OpId>(id);
  call.n_inputs = n_inputs;
  call.n_outputs = n_outputs;
  call.n_attrs = n_attrs;
  call.inputs = inputs;
  call.outputs = outputs;
  call.attrs = attrs;
  std::fill_n(error_slot, 4, 0);
  int code = 0;
  try {
    LENODE_CHECK(call.op != OpId::count_, std::string(op) + ": not in the op table");
    handler(op)(context, call);
  } catch (const Error& error) {
    message = error.what();
    code = static_cast<int>(error.code());
  }
  context.reset_workspace();
  if (error_slot[0] == 0) return code;
  message = "index " + std::to_string(error_slot[2]) + " at " + std::to_string(error_slot[3]);
  return static_cast<int>(ErrorCode::index);
}
extern "C" int emulation_view_bytes() { return sizeof(TensorView); }
extern "C" const char* emulation_message() { return message.c_str(); }

}  // namespace lenode::cuda
