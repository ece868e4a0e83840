// SPDX-License-Identifier: Apache-2.0
#include "cuda/cublas_gemm.h"

#include <cublasLt.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "core/error.h"
#include "cuda/check.h"
#include "cuda/cublas_check.h"
#include "cuda/plan_cache.h"

namespace lenode::cuda {

namespace {

constexpr size_t kCachedPlans = 1024;

// cuBLASLt is column-major: it computes the transposed y^T = b^T a^T, in which its A is b and its B is a. Everything
// here is in its terms.
struct GemmProblem {
  DType dtype;
  int32_t tf32;
  int32_t transpose_a, transpose_b;
  Epilogue epilogue;
  int32_t alignment_a, alignment_b, alignment_d;  // bytes, at most 256
  int64_t m, n, k;
  int64_t leading_a, leading_b, leading_d;
  int64_t batch, batch_stride_a, batch_stride_b, batch_stride_d;
};
static_assert(sizeof(GemmProblem) == 8 * 4 + 10 * 8, "no padding");

template <class T, cublasStatus_t (*destroy)(T)>
struct Destroy {
  void operator()(T raw) const { destroy(raw); }
};
template <class T, cublasStatus_t (*destroy)(T)>
using Handle = std::unique_ptr<std::remove_pointer_t<T>, Destroy<T, destroy>>;
using MatmulDesc = Handle<cublasLtMatmulDesc_t, &cublasLtMatmulDescDestroy>;
using MatrixLayout = Handle<cublasLtMatrixLayout_t, &cublasLtMatrixLayoutDestroy>;
using Preference = Handle<cublasLtMatmulPreference_t, &cublasLtMatmulPreferenceDestroy>;

struct GemmPlan {
  MatmulDesc matmul;
  MatrixLayout a, b, d;
  cublasLtMatmulAlgo_t algorithm;
  size_t workspace = 0;
  bool found = false;  // a combination that cuBLASLt lacks is remembered too
};

cudaDataType_t blas_type(DType dtype) {
  switch (dtype) {
    case DType::float32: return CUDA_R_32F;
    case DType::float64: return CUDA_R_64F;
    case DType::float16: return CUDA_R_16F;
    case DType::bfloat16: return CUDA_R_16BF;
    default: fail(ErrorCode::unsupported, std::string("matrix products need a floating dtype, got ") +
                                              dtype_name(dtype));
  }
}

cublasComputeType_t compute_type(const GemmProblem& problem) {
  if (problem.dtype == DType::float64) return CUBLAS_COMPUTE_64F;
  if (problem.dtype == DType::float32 && problem.tf32) return CUBLAS_COMPUTE_32F_FAST_TF32;
  return CUBLAS_COMPUTE_32F;
}

cublasLtEpilogue_t epilogue_of(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::none: return CUBLASLT_EPILOGUE_DEFAULT;
    case Epilogue::bias: return CUBLASLT_EPILOGUE_BIAS;
    case Epilogue::relu: return CUBLASLT_EPILOGUE_RELU;
    case Epilogue::bias_relu: return CUBLASLT_EPILOGUE_RELU_BIAS;
    case Epilogue::bias_gradient: return CUBLASLT_EPILOGUE_BGRADB;
  }
  return CUBLASLT_EPILOGUE_DEFAULT;
}

bool uses_vector(Epilogue epilogue) { return epilogue != Epilogue::none && epilogue != Epilogue::relu; }

template <class T>
void set(const MatmulDesc& matmul, cublasLtMatmulDescAttributes_t name, const T& value) {
  LENODE_CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(matmul.get(), name, &value, sizeof(value)));
}

template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t name, const T& value) {
  LENODE_CUBLAS_CHECK(cublasLtMatmulPreferenceSetAttribute(preference.get(), name, &value, sizeof(value)));
}

MatrixLayout make_layout(const GemmProblem& problem, int64_t rows, int64_t columns, int64_t leading,
                         int64_t batch_stride) {
  cublasLtMatrixLayout_t raw = nullptr;
  LENODE_CUBLAS_CHECK(cublasLtMatrixLayoutCreate(&raw, blas_type(problem.dtype), static_cast<uint64_t>(rows),
                                                 static_cast<uint64_t>(columns), leading));
  MatrixLayout layout(raw);
  if (problem.batch > 1) {
    const int32_t count = static_cast<int32_t>(problem.batch);
    LENODE_CUBLAS_CHECK(
        cublasLtMatrixLayoutSetAttribute(raw, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)));
    LENODE_CUBLAS_CHECK(cublasLtMatrixLayoutSetAttribute(raw, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                         &batch_stride, sizeof(batch_stride)));
  }
  return layout;
}

// The sizes that NVIDIA recommends for cuBLAS: 32 MiB from Hopper on, 4 MiB before.
uint64_t workspace_limit(const Context& context) { return uint64_t{context.major >= 9 ? 32u : 4u} << 20; }

GemmPlan make_plan(Context& context, const GemmProblem& problem, const void* vector) {
  GemmPlan plan;
  const bool wide = problem.dtype == DType::float64;
  cublasLtMatmulDesc_t raw = nullptr;
  LENODE_CUBLAS_CHECK(cublasLtMatmulDescCreate(&raw, compute_type(problem), wide ? CUDA_R_64F : CUDA_R_32F));
  plan.matmul.reset(raw);
  const int32_t op_a = problem.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  const int32_t op_b = problem.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  set(plan.matmul, CUBLASLT_MATMUL_DESC_TRANSA, op_a);
  set(plan.matmul, CUBLASLT_MATMUL_DESC_TRANSB, op_b);
  set(plan.matmul, CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<uint32_t>(epilogue_of(problem.epilogue)));
  // The heuristics look at the pointer's alignment.
  if (uses_vector(problem.epilogue)) set(plan.matmul, CUBLASLT_MATMUL_DESC_BIAS_POINTER, vector);

  const bool ta = problem.transpose_a, tb = problem.transpose_b;
  plan.a = make_layout(problem, ta ? problem.k : problem.m, ta ? problem.m : problem.k, problem.leading_a,
                       problem.batch_stride_a);
  plan.b = make_layout(problem, tb ? problem.n : problem.k, tb ? problem.k : problem.n, problem.leading_b,
                       problem.batch_stride_b);
  plan.d = make_layout(problem, problem.m, problem.n, problem.leading_d, problem.batch_stride_d);

  cublasLtMatmulPreference_t raw_preference = nullptr;
  LENODE_CUBLAS_CHECK(cublasLtMatmulPreferenceCreate(&raw_preference));
  const Preference preference(raw_preference);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_limit(context));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<uint32_t>(problem.alignment_a));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<uint32_t>(problem.alignment_b));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(problem.alignment_d));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(problem.alignment_d));

  cublasLtMatmulHeuristicResult_t result{};
  int returned = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(context.blas(), plan.matmul.get(), plan.a.get(), plan.b.get(), plan.d.get(),
                                     plan.d.get(), preference.get(), 1, &result, &returned);
  if (status != CUBLAS_STATUS_SUCCESS && status != CUBLAS_STATUS_NOT_SUPPORTED &&
      status != CUBLAS_STATUS_INVALID_VALUE)
    fail_cublas(status, "cublasLtMatmulAlgoGetHeuristic");
  plan.found = status == CUBLAS_STATUS_SUCCESS && returned > 0 && result.state == CUBLAS_STATUS_SUCCESS;
  plan.algorithm = result.algo;
  plan.workspace = result.workspaceSize;
  return plan;
}

int32_t alignment_of(const void* data) {
  const uintptr_t bits = reinterpret_cast<uintptr_t>(data) | 256;
  return static_cast<int32_t>(bits & (~bits + 1));
}

}  // namespace

struct MatmulPlans {
  PlanCache<GemmProblem, GemmPlan> cache{kCachedPlans};
};

// A single row or column may have any stride along its other dimension.
bool row_major(const Matrix& matrix, int64_t* leading) {
  const bool one_row = matrix.rows == 1, one_column = matrix.columns == 1;
  if (matrix.column_stride != 1 && !one_column) return false;
  if (matrix.row_stride < matrix.columns && !one_row) return false;
  *leading = one_row ? matrix.columns : matrix.row_stride;
  return true;
}

bool blas_layout(const Matrix& matrix, BlasLayout* layout) {
  // A dense column is better read as one line than as rows of one element.
  const bool dense_column = matrix.columns == 1 && matrix.row_stride == 1;
  layout->transposed = false;
  if (!dense_column && row_major(matrix, &layout->leading)) return true;
  layout->transposed = true;
  return row_major(matrix.transposed(), &layout->leading);
}

bool run_gemm(Context& context, const Gemm& gemm) {
  BlasLayout a, b;
  int64_t leading_y = 0;
  LENODE_CHECK(blas_layout(gemm.a, &a) && blas_layout(gemm.b, &b) && row_major(gemm.y, &leading_y),
               "matmul: an operand without a BLAS layout");
  GemmProblem problem;
  std::memset(&problem, 0, sizeof(problem));
  problem.dtype = gemm.dtype;
  problem.tf32 = context.matmul_tf32;
  problem.transpose_a = b.transposed;
  problem.transpose_b = a.transposed;
  problem.epilogue = gemm.epilogue;
  problem.alignment_a = alignment_of(gemm.b.data);
  problem.alignment_b = alignment_of(gemm.a.data);
  problem.alignment_d = alignment_of(gemm.y.data);
  if (uses_vector(gemm.epilogue)) problem.alignment_d = std::min(problem.alignment_d, alignment_of(gemm.vector));
  problem.m = gemm.y.columns;
  problem.n = gemm.y.rows;
  problem.k = gemm.a.columns;
  problem.leading_a = b.leading;
  problem.leading_b = a.leading;
  problem.leading_d = leading_y;
  problem.batch = gemm.batch;
  if (gemm.batch > 1) {
    problem.batch_stride_a = gemm.b.batch_stride;
    problem.batch_stride_b = gemm.a.batch_stride;
    problem.batch_stride_d = gemm.y.batch_stride;
  }

  if (!context.matmul_plans) context.matmul_plans = std::make_shared<MatmulPlans>();
  auto& cache = context.matmul_plans->cache;
  GemmPlan* plan = cache.find(problem);
  if (!plan) plan = &cache.insert(problem, make_plan(context, problem, gemm.vector));
  if (!plan->found) return false;

  if (uses_vector(gemm.epilogue)) set(plan->matmul, CUBLASLT_MATMUL_DESC_BIAS_POINTER, gemm.vector);
  const float one = 1, zero = 0;
  const double wide_one = 1, wide_zero = 0;
  const bool wide = gemm.dtype == DType::float64;
  const void* alpha = wide ? static_cast<const void*>(&wide_one) : &one;
  const void* beta = wide ? static_cast<const void*>(&wide_zero) : &zero;
  void* workspace = plan->workspace ? context.workspace(plan->workspace) : nullptr;
  LENODE_CUBLAS_CHECK(cublasLtMatmul(context.blas(), plan->matmul.get(), alpha, gemm.b.data, plan->a.get(),
                                     gemm.a.data, plan->b.get(), beta, gemm.y.data, plan->d.get(), gemm.y.data,
                                     plan->d.get(), &plan->algorithm, workspace, plan->workspace, context.stream));
  return true;
}

}  // namespace lenode::cuda
