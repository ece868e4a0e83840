// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_graph.h"

#include <algorithm>

namespace lenode::cuda {

namespace {

std::string describe(cudnnStatus_t status) {
  char detail[512] = {};
  cudnnGetLastErrorString(detail, sizeof(detail));
  std::string text = cudnnGetErrorString(status);
  if (detail[0]) text += std::string(": ") + detail;
  return text;
}

}  // namespace

void fail_cudnn(cudnnStatus_t status, const char* call) {
  const bool memory = status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ||
                      status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
  fail(memory ? ErrorCode::out_of_memory : ErrorCode::backend, std::string(call) + ": " + describe(status));
}

cudnnDataType_t cudnn_type(DType dtype) {
  switch (dtype) {
    case DType::float32: return CUDNN_DATA_FLOAT;
    case DType::float64: return CUDNN_DATA_DOUBLE;
    case DType::float16: return CUDNN_DATA_HALF;
    case DType::bfloat16: return CUDNN_DATA_BFLOAT16;
    default: fail(ErrorCode::unsupported, std::string("cuDNN has no kernels for ") + dtype_name(dtype));
  }
}

cudnnDataType_t cudnn_compute_type(DType dtype) {
  return dtype == DType::float64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
}

// ---- descriptors ------------------------------------------------------------------------------------------------
Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  LENODE_CUDNN_CHECK(cudnnBackendCreateDescriptor(type, &raw_));
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(raw_, other.raw_);
  return *this;
}

void Descriptor::reset() {
  if (raw_) cudnnBackendDestroyDescriptor(raw_);
  raw_ = nullptr;
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                            const void* values) {
  const cudnnStatus_t status = cudnnBackendSetAttribute(raw_, name, type, count, values);
  if (status != CUDNN_STATUS_SUCCESS)
    fail_cudnn(status, ("cudnnBackendSetAttribute(" + std::to_string(static_cast<int>(name)) + ")").c_str());
  return *this;
}

Descriptor& Descriptor::finalize() {
  LENODE_CUDNN_CHECK(cudnnBackendFinalize(raw_));
  return *this;
}

// ---- graph ------------------------------------------------------------------------------------------------------
int Graph::tensor(const GraphTensor& tensor, bool is_virtual) {
  Descriptor descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, tensor.uid)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, is_virtual ? cudnn_compute_type(tensor.dtype) : cudnn_type(tensor.dtype))
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, tensor.alignment)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, tensor.dims.data(), tensor.rank)
      .set(CUDNN_ATTR_TENSOR_STRIDES, tensor.strides.data(), tensor.rank)
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual)
      .finalize();
  tensors_.push_back(std::move(descriptor));
  return static_cast<int>(tensors_.size()) - 1;
}

void Graph::convolution(ConvolutionKind kind, const ConvolutionAttributes& attributes, DType dtype, int x, int w,
                        int y) {
  Descriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, cudnn_compute_type(dtype))
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, static_cast<int64_t>(attributes.spatial))
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, attributes.dilation.data(), attributes.spatial)
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, attributes.stride.data(), attributes.spatial)
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, attributes.padding.data(), attributes.spatial)
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, attributes.padding_end.data(), attributes.spatial)
      .finalize();

  struct Names {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
  };
  static const Names kNames[] = {
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
  };
  const Names& names = kNames[static_cast<int>(kind)];
  Descriptor operation(names.type);
  operation.set(names.convolution, convolution)
      .set(names.x, tensors_[x])
      .set(names.w, tensors_[w])
      .set(names.y, tensors_[y]);
  // The scaling factors have the compute type.
  if (cudnn_compute_type(dtype) == CUDNN_DATA_DOUBLE) {
    operation.set(names.alpha, 1.0).set(names.beta, 0.0);
  } else {
    const float one = 1, zero = 0;
    operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1, &one).set(names.beta, CUDNN_TYPE_FLOAT, 1, &zero);
  }
  operation.finalize();
  parts_.push_back(std::move(convolution));
  operations_.push_back(std::move(operation));
}

void Graph::pointwise(DType dtype, cudnnPointwiseMode_t mode, int x, int b, int y) {
  Descriptor descriptor(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, cudnn_compute_type(dtype));
  if (mode == CUDNN_POINTWISE_RELU_FWD) {
    const cudnnNanPropagation_t nan = CUDNN_PROPAGATE_NAN;
    descriptor.set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &nan);
  }
  descriptor.finalize();
  Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, descriptor)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, tensors_[x])
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, tensors_[y]);
  if (b >= 0) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, tensors_[b]);
  operation.finalize();
  parts_.push_back(std::move(descriptor));
  operations_.push_back(std::move(operation));
}

void Graph::add(DType dtype, int a, int b, int y) { pointwise(dtype, CUDNN_POINTWISE_ADD, a, b, y); }

void Graph::relu(DType dtype, int x, int y) { pointwise(dtype, CUDNN_POINTWISE_RELU_FWD, x, -1, y); }

void Graph::finalize(cudnnHandle_t handle) {
  std::vector<cudnnBackendDescriptor_t> raw;
  for (const Descriptor& operation : operations_) raw.push_back(operation.raw());
  graph_ = Descriptor(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph_.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(raw.size()),
             raw.data());
  if (handle) graph_.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  graph_.finalize();
}

// ---- planning ---------------------------------------------------------------------------------------------------
Descriptor device_properties_from_json(const std::string& json) {
  Descriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  properties
      .set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<int64_t>(json.size()), json.data())
      .finalize();
  return properties;
}

EngineList::EngineList(const Graph& graph, const PlanTarget& target) : target_(target) {
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.descriptor())
        .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (target.properties) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.properties);
    int64_t count = 0;
    cudnnStatus_t status = heuristics.try_finalize();
    if (status == CUDNN_STATUS_SUCCESS)
      status = cudnnBackendGetAttribute(heuristics.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr);
    if (status != CUDNN_STATUS_SUCCESS) {
      last_failure_ = describe(status);
      continue;
    }
    std::vector<Descriptor> found;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (int64_t i = 0; i < count; ++i) {
      found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      raw.push_back(found.back().raw());
    }
    int64_t returned = 0;
    LENODE_CUDNN_CHECK(cudnnBackendGetAttribute(heuristics.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &returned, raw.data()));
    found.resize(static_cast<size_t>(std::min(count, returned)));
    for (Descriptor& config : found) configs_.push_back(std::move(config));
  }
}

bool EngineList::allowed(const Descriptor& config, const PlanRules& rules) {
  if (!rules.deterministic && !rules.keep_inputs && !rules.no_tensor_cores) return true;
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.raw();
  int64_t count = 0;
  if (cudnnBackendGetAttribute(config.raw(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                               &raw) != CUDNN_STATUS_SUCCESS)
    return false;
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  if (cudnnBackendGetAttribute(raw, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                               CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes) != CUDNN_STATUS_SUCCESS)
    return false;
  return std::none_of(notes, notes + std::min<int64_t>(count, CUDNN_NUMERICAL_NOTE_TYPE_COUNT), [&](auto note) {
    return (rules.deterministic && note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) ||
           (rules.keep_inputs && note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) ||
           (rules.no_tensor_cores && note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
  });
}

bool EngineList::next(const PlanRules& rules, ExecutionPlan* result) {
  while (position_ < configs_.size()) {
    const Descriptor& config = configs_[position_++];
    if (!allowed(config, rules)) {
      last_failure_ = "the engine does not keep the precision or determinism that was asked for";
      continue;
    }
    Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    if (target_.handle) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &target_.handle);
    if (target_.properties) plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target_.properties);
    const cudnnStatus_t status = plan.try_finalize();
    if (status != CUDNN_STATUS_SUCCESS) {
      last_failure_ = describe(status);
      continue;
    }
    int64_t workspace = 0, count = 0;
    LENODE_CUDNN_CHECK(cudnnBackendGetAttribute(plan.raw(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                CUDNN_TYPE_INT64, 1, &count, &workspace));
    if (workspace > rules.workspace_limit) {
      last_failure_ = "the engine needs " + std::to_string(workspace) + " bytes of workspace";
      continue;
    }
    result->plan = std::move(plan);
    result->workspace = workspace;
    return true;
  }
  return false;
}

void execute(cudnnHandle_t handle, const ExecutionPlan& plan, const int64_t* uids, void* const* pointers, int count,
             void* workspace) {
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, uids, count)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, pointers)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace)
      .finalize();
  LENODE_CUDNN_CHECK(cudnnBackendExecute(handle, plan.plan.raw(), pack.raw()));
}

}  // namespace lenode::cuda
