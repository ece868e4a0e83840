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

// ---- tensors -----------------------------------------------------------------------------------------------------
void layout_strides(Layout layout, int rank, const int64_t* dims, int64_t* strides) {
  int64_t step = 1;
  auto place = [&](int i) {
    strides[i] = step;
    step *= dims[i];
  };
  if (layout == Layout::channels_last) place(1);
  for (int i = rank - 1; i >= 2; --i) place(i);
  if (layout == Layout::channels_first) place(1);
  place(0);
}

GraphTensor dense_tensor(int64_t uid, DType dtype, int rank, const int64_t* dims, Layout layout, int64_t alignment) {
  GraphTensor tensor;
  tensor.uid = uid;
  tensor.dtype = dtype;
  tensor.rank = rank;
  tensor.alignment = alignment;
  std::copy_n(dims, rank, tensor.dims.begin());
  layout_strides(layout, rank, dims, tensor.strides.data());
  return tensor;
}

int64_t padding_behind(int64_t in, int64_t out, int64_t extent, int64_t stride, int64_t padding) {
  const int64_t reach = in + 2 * padding - extent;
  if (reach >= 0 && out == reach / stride + 1) return padding;
  return (out - 1) * stride + extent - in - padding;
}

// ---- graph ------------------------------------------------------------------------------------------------------
int Graph::add_tensor(const GraphTensor& tensor, cudnnDataType_t type, bool is_virtual, bool by_value) {
  Descriptor descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, tensor.uid)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, tensor.alignment)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, tensor.dims.data(), tensor.rank)
      .set(CUDNN_ATTR_TENSOR_STRIDES, tensor.strides.data(), tensor.rank)
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual)
      .set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, by_value)
      .finalize();
  tensors_.push_back(std::move(descriptor));
  return static_cast<int>(tensors_.size()) - 1;
}

int Graph::tensor(const GraphTensor& tensor, bool is_virtual) {
  const auto type = is_virtual ? cudnn_compute_type(tensor.dtype) : cudnn_type(tensor.dtype);
  return add_tensor(tensor, type, is_virtual, false);
}

int Graph::scalar(int64_t uid, DType dtype, int rank) {
  GraphTensor tensor;
  tensor.uid = uid;
  tensor.rank = rank;
  tensor.alignment = static_cast<int64_t>(item_size(dtype));
  tensor.dims.fill(1);
  tensor.strides.fill(1);
  return add_tensor(tensor, cudnn_type(dtype), false, true);
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

void Graph::batch_norm(const BatchNormTensors& t) {
  Descriptor operation(CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR);
  const cudnnBackendNormMode_t mode = CUDNN_BATCH_NORM;
  const cudnnBackendNormFwdPhase_t phase = CUDNN_NORM_FWD_TRAINING;
  operation.set(CUDNN_ATTR_OPERATION_NORM_FWD_MODE, CUDNN_TYPE_NORM_MODE, 1, &mode)
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_PHASE, CUDNN_TYPE_NORM_FWD_PHASE, 1, &phase)
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_XDESC, tensors_[t.x])
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_MEAN_DESC, tensors_[t.mean])
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_INV_VARIANCE_DESC, tensors_[t.inv_std])
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC, tensors_[t.scale])
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC, tensors_[t.bias])
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_EPSILON_DESC, tensors_[t.epsilon])
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_YDESC, tensors_[t.y])
      .finalize();
  operations_.push_back(std::move(operation));
}

void Graph::batch_norm_backward(const BatchNormBackwardTensors& t) {
  Descriptor operation(CUDNN_BACKEND_OPERATION_NORM_BACKWARD_DESCRIPTOR);
  const cudnnBackendNormMode_t mode = CUDNN_BATCH_NORM;
  operation.set(CUDNN_ATTR_OPERATION_NORM_BWD_MODE, CUDNN_TYPE_NORM_MODE, 1, &mode)
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DYDESC, tensors_[t.grad])
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_XDESC, tensors_[t.x])
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_MEAN_DESC, tensors_[t.mean])
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_INV_VARIANCE_DESC, tensors_[t.inv_std])
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_SCALE_DESC, tensors_[t.scale])
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DXDESC, tensors_[t.d_x])
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DSCALE_DESC, tensors_[t.d_scale])
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DBIAS_DESC, tensors_[t.d_bias])
      .finalize();
  operations_.push_back(std::move(operation));
}

Descriptor Graph::resampling(const ResampleAttributes& attributes, DType dtype) {
  Descriptor descriptor(CUDNN_BACKEND_RESAMPLE_DESCRIPTOR);
  const cudnnNanPropagation_t nan = CUDNN_PROPAGATE_NAN;
  const cudnnPaddingMode_t padding =
      attributes.mode == CUDNN_RESAMPLE_MAXPOOL ? CUDNN_NEG_INF_PAD : CUDNN_ZERO_PAD;
  descriptor.set(CUDNN_ATTR_RESAMPLE_MODE, CUDNN_TYPE_RESAMPLE_MODE, 1, &attributes.mode)
      .set(CUDNN_ATTR_RESAMPLE_COMP_TYPE, cudnn_compute_type(dtype))
      .set(CUDNN_ATTR_RESAMPLE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &nan)
      .set(CUDNN_ATTR_RESAMPLE_PADDING_MODE, CUDNN_TYPE_PADDING_MODE, 1, &padding)
      .set(CUDNN_ATTR_RESAMPLE_SPATIAL_DIMS, static_cast<int64_t>(attributes.spatial))
      .set(CUDNN_ATTR_RESAMPLE_WINDOW_DIMS, attributes.window.data(), attributes.spatial)
      .set(CUDNN_ATTR_RESAMPLE_STRIDES, attributes.stride.data(), attributes.spatial)
      .set(CUDNN_ATTR_RESAMPLE_PRE_PADDINGS, attributes.padding.data(), attributes.spatial)
      .set(CUDNN_ATTR_RESAMPLE_POST_PADDINGS, attributes.padding_end.data(), attributes.spatial)
      .finalize();
  return descriptor;
}

void Graph::resample(const ResampleAttributes& attributes, DType dtype, int x, int y) {
  Descriptor descriptor = resampling(attributes, dtype);
  Descriptor operation(CUDNN_BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_DESC, descriptor)
      .set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_XDESC, tensors_[x])
      .set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_YDESC, tensors_[y])
      .finalize();
  parts_.push_back(std::move(descriptor));
  operations_.push_back(std::move(operation));
}

void Graph::resample_backward(const ResampleAttributes& attributes, DType dtype, int grad, int d_x) {
  Descriptor descriptor = resampling(attributes, dtype);
  Descriptor operation(CUDNN_BACKEND_OPERATION_RESAMPLE_BWD_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DESC, descriptor)
      .set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DYDESC, tensors_[grad])
      .set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DXDESC, tensors_[d_x])
      .finalize();
  parts_.push_back(std::move(descriptor));
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

std::vector<ExecutionPlan> first_plans(const Graph& graph, const PlanTarget& target, const PlanRules& rules, int wanted,
                                       std::string* failure) {
  EngineList engines(graph, target);
  std::vector<ExecutionPlan> plans;
  ExecutionPlan plan;
  while (static_cast<int>(plans.size()) < wanted && engines.next(rules, &plan)) plans.push_back(std::move(plan));
  if (plans.empty()) *failure = engines.last_failure();
  return plans;
}

void execute(cudnnHandle_t handle, const ExecutionPlan& plan, const Bindings& bindings, void* workspace) {
  const auto count = static_cast<int64_t>(bindings.count_);
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, bindings.uids_.data(), count)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, bindings.data_.data())
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace)
      .finalize();
  LENODE_CUDNN_CHECK(cudnnBackendExecute(handle, plan.plan.raw(), pack.raw()));
}

}  // namespace lenode::cuda
