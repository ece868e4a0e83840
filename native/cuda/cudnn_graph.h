// SPDX-License-Identifier: Apache-2.0
// cuDNN's graph API from its C descriptors: tensors and operations make a graph, heuristics rank engines for it, and
// an engine whose plan finalizes can be executed. Nothing here needs a GPU until a plan runs, so that tests can plan
// on the properties of a device that is not there.
#pragma once
#include <cudnn.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/tensor_view.h"

namespace lenode::cuda {

[[noreturn]] void fail_cudnn(cudnnStatus_t status, const char* call);

#define LENODE_CUDNN_CHECK(call)                                                              \
  do {                                                                                        \
    const cudnnStatus_t lenode_status_ = (call);                                              \
    if (lenode_status_ != CUDNN_STATUS_SUCCESS) ::lenode::cuda::fail_cudnn(lenode_status_, #call); \
  } while (0)

cudnnDataType_t cudnn_type(DType dtype);
// The type in which sums are formed: double for float64, else float.
cudnnDataType_t cudnn_compute_type(DType dtype);

// One backend descriptor. The setters chain; finalize() comes last.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(cudnnBackendDescriptorType_t type);
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : raw_(other.raw_) { other.raw_ = nullptr; }
  Descriptor& operator=(Descriptor&& other) noexcept;

  cudnnBackendDescriptor_t raw() const { return raw_; }
  explicit operator bool() const { return raw_ != nullptr; }

  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                  const void* values);
  Descriptor& set(cudnnBackendAttributeName_t name, int64_t value) { return set(name, CUDNN_TYPE_INT64, 1, &value); }
  Descriptor& set(cudnnBackendAttributeName_t name, const int64_t* values, int64_t count) {
    return set(name, CUDNN_TYPE_INT64, count, values);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, double value) { return set(name, CUDNN_TYPE_DOUBLE, 1, &value); }
  Descriptor& set(cudnnBackendAttributeName_t name, bool value) { return set(name, CUDNN_TYPE_BOOLEAN, 1, &value); }
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnDataType_t value) {
    return set(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.raw_);
  }
  Descriptor& finalize();
  cudnnStatus_t try_finalize() { return cudnnBackendFinalize(raw_); }

 private:
  void reset();
  cudnnBackendDescriptor_t raw_ = nullptr;
};

constexpr int kMaxGraphRank = 5;

enum class Layout : int32_t { channels_first, channels_last };

// Dense strides of a shape in a layout.
void layout_strides(Layout layout, int rank, const int64_t* dims, int64_t* strides);

struct GraphTensor {
  int64_t uid = 0;
  DType dtype = DType::float32;
  int rank = 0;
  std::array<int64_t, kMaxGraphRank> dims{};
  std::array<int64_t, kMaxGraphRank> strides{};
  int64_t alignment = 16;  // bytes
};
GraphTensor dense_tensor(int64_t uid, DType dtype, int rank, const int64_t* dims, Layout layout, int64_t alignment);

// The padding behind an input whose windows make `out` outputs: as much as before it, unless `out` needs another
// number, which may be negative.
int64_t padding_behind(int64_t in, int64_t out, int64_t extent, int64_t stride, int64_t padding);

struct ConvolutionAttributes {
  int spatial = 2;
  std::array<int64_t, 3> stride{}, padding{}, padding_end{}, dilation{};
};

enum class ConvolutionKind : int32_t { forward, backward_input, backward_weight };

struct ResampleAttributes {
  cudnnResampleMode_t mode = CUDNN_RESAMPLE_MAXPOOL;
  int spatial = 2;
  std::array<int64_t, 3> window{}, stride{}, padding{}, padding_end{};
};

// Indices of a graph's tensors. The statistics and parameters are [1, C, 1, ...].
struct BatchNormTensors {
  int x, mean, inv_std, scale, bias, epsilon, y;
};
struct BatchNormBackwardTensors {
  int grad, x, mean, inv_std, scale, d_x, d_scale, d_bias;
};

// Operations are added in order; finalize() closes the graph. The result of one step feeds the next one when it is
// virtual: such a tensor never reaches memory.
class Graph {
 public:
  // Returns the tensor's index. A virtual tensor is kept in the compute type.
  int tensor(const GraphTensor& tensor, bool is_virtual = false);
  // One number, which is read from the host's memory when the plan is executed.
  int scalar(int64_t uid, DType dtype, int rank);
  void convolution(ConvolutionKind kind, const ConvolutionAttributes& attributes, DType dtype, int x, int w, int y);
  // By the statistics of x, which it computes.
  void batch_norm(const BatchNormTensors& tensors);
  void batch_norm_backward(const BatchNormBackwardTensors& tensors);
  void resample(const ResampleAttributes& attributes, DType dtype, int x, int y);
  void resample_backward(const ResampleAttributes& attributes, DType dtype, int grad, int d_x);
  void add(DType dtype, int a, int b, int y);
  void relu(DType dtype, int x, int y);
  // `handle` may be null when the graph is only planned.
  void finalize(cudnnHandle_t handle);
  const Descriptor& descriptor() const { return graph_; }

 private:
  void pointwise(DType dtype, cudnnPointwiseMode_t mode, int x, int b, int y);
  int add_tensor(const GraphTensor& tensor, cudnnDataType_t type, bool is_virtual, bool by_value);
  Descriptor resampling(const ResampleAttributes& attributes, DType dtype);

  std::vector<Descriptor> tensors_;
  std::vector<Descriptor> parts_;  // convolution, resampling and pointwise descriptors
  std::vector<Descriptor> operations_;
  Descriptor graph_;
};

// The device that a plan is for: a handle, or the properties of a device that is not there.
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  const Descriptor* properties = nullptr;
};
// From JSON in cuDNN's own format (CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION).
Descriptor device_properties_from_json(const std::string& json);

struct PlanRules {
  bool deterministic = false;
  bool keep_inputs = false;       // no engine that first rounds its inputs to a narrower type
  bool no_tensor_cores = false;   // on float32 inputs a tensor core means TF32
  int64_t workspace_limit = INT64_MAX;
};

// For ops that use no tensor cores: only that float32 is not rounded first.
inline PlanRules unrounded(DType dtype, int64_t workspace_limit) {
  PlanRules rules;
  rules.keep_inputs = dtype == DType::float32;
  rules.workspace_limit = workspace_limit;
  return rules;
}

struct ExecutionPlan {
  Descriptor plan;
  int64_t workspace = 0;
};

// The engines for a graph: the heuristics' ranking, then cuDNN's fallbacks. Plans are made one by one, as asked for.
class EngineList {
 public:
  EngineList(const Graph& graph, const PlanTarget& target);

  int size() const { return static_cast<int>(configs_.size()); }
  // The next plan that keeps the rules, or false at the end of the list.
  bool next(const PlanRules& rules, ExecutionPlan* result);
  // Why the last candidate was passed over, for error messages.
  const std::string& last_failure() const { return last_failure_; }

 private:
  bool allowed(const Descriptor& config, const PlanRules& rules);

  PlanTarget target_;
  std::vector<Descriptor> configs_;
  size_t position_ = 0;
  std::string last_failure_;
};

// At most `wanted` plans of a graph; if there is none, *failure says why.
std::vector<ExecutionPlan> first_plans(const Graph& graph, const PlanTarget& target, const PlanRules& rules, int wanted,
                                       std::string* failure);

// Where a plan finds its tensors: device memory, or the host's for scalars.
class Bindings {
 public:
  void bind(int64_t uid, const void* data) {
    uids_.at(count_) = uid;
    data_[count_++] = const_cast<void*>(data);
  }

 private:
  friend void execute(cudnnHandle_t, const ExecutionPlan&, const Bindings&, void*);
  std::array<int64_t, 8> uids_;
  std::array<void*, 8> data_;
  size_t count_ = 0;
};

void execute(cudnnHandle_t handle, const ExecutionPlan& plan, const Bindings& bindings, void* workspace);

}  // namespace lenode::cuda
