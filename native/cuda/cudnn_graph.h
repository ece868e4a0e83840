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

struct GraphTensor {
  int64_t uid = 0;
  DType dtype = DType::float32;
  int rank = 0;
  std::array<int64_t, kMaxGraphRank> dims{};
  std::array<int64_t, kMaxGraphRank> strides{};
  int64_t alignment = 16;  // bytes
};

struct ConvolutionAttributes {
  int spatial = 2;
  std::array<int64_t, 3> stride{}, padding{}, padding_end{}, dilation{};
};

enum class ConvolutionKind : int32_t { forward, backward_input, backward_weight };

// Operations are added in order; finalize() closes the graph. The result of one step feeds the next one when it is
// virtual: such a tensor never reaches memory.
class Graph {
 public:
  // Returns the tensor's index. A virtual tensor is kept in the compute type.
  int tensor(const GraphTensor& tensor, bool is_virtual = false);
  void convolution(ConvolutionKind kind, const ConvolutionAttributes& attributes, DType dtype, int x, int w, int y);
  void add(DType dtype, int a, int b, int y);
  void relu(DType dtype, int x, int y);
  // `handle` may be null when the graph is only planned.
  void finalize(cudnnHandle_t handle);
  const Descriptor& descriptor() const { return graph_; }

 private:
  void pointwise(DType dtype, cudnnPointwiseMode_t mode, int x, int b, int y);

  std::vector<Descriptor> tensors_;
  std::vector<Descriptor> parts_;  // convolution and pointwise descriptors
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

void execute(cudnnHandle_t handle, const ExecutionPlan& plan, const int64_t* uids, void* const* pointers, int count,
             void* workspace);

}  // namespace lenode::cuda
