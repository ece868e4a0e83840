// SPDX-License-Identifier: Apache-2.0
// Ops that give or take bool: comparisons, predicates and where.
#include <cstring>

#include "cuda/pointwise.cuh"

namespace lenode::cuda {

template <class F>
void run_predicate(Context& context, const Call& call) {
  run_pointwise<PredicateBody, F, true>(context, call, 0, 0);
}
template <class F>
void run_compare(Context& context, const Call& call) {
  run_pointwise<CompareBody, F, true>(context, call, 1, call.f(0));
}

#define LENODE_UNARY(name, attrs)
#define LENODE_UNARY_FLOAT(name, attrs)
#define LENODE_PREDICATE(name) template void run_predicate<functor::name>(Context&, const Call&);
#define LENODE_BINARY(name, attrs)
#define LENODE_BINARY_FLOAT(name, attrs)
#define LENODE_COMPARE(name) template void run_compare<functor::name>(Context&, const Call&);
#define LENODE_TERNARY_FLOAT(name)
#define LENODE_OP(name, inputs, outputs, attrs, devices)
#include "core/ops.def"

namespace {

template <class U>
__global__ void __launch_bounds__(kThreads)
    where_kernel(U* y, const bool* condition, const U* a, const U* b, U a_scalar, U b_scalar, Indexer<4> indexer,
                 int64_t numel) {
  for (int64_t i = first_item(); i < numel; i += item_step()) {
    int64_t at[4];
    indexer.offsets(i, at);
    y[at[0]] = condition[at[1]] ? (a != nullptr ? a[at[2]] : a_scalar) : (b != nullptr ? b[at[3]] : b_scalar);
  }
}

}  // namespace

void op_where(Context& context, const Call& call) {
  const TensorView &y = call.out(0), &condition = call.in(0), &a = call.in(1), &b = call.in(2);
  if (condition.dtype != DType::boolean && condition.dtype != DType::uint8)
    fail(ErrorCode::invalid, std::string("where: expected a bool condition, came ") + dtype_name(condition.dtype));
  Layout<4> layout = layout_of<4>({&y, &condition, &a, &b});
  const int64_t numel = layout.numel();
  layout.coalesce();
  with_unit(item_size(y.dtype), [&](auto unit) {
    using U = decltype(unit);
    auto bits = [&](double value) {
      double storage = 0;  // room for any dtype
      if (is_floating(y.dtype)) store_as<double>(&storage, y.dtype, 0, value);
      else store_as<int64_t>(&storage, y.dtype, 0, attribute_as<int64_t>(value));
      U result;
      std::memcpy(&result, &storage, sizeof(U));
      return result;
    };
    launch_items(context, where_kernel<U>, numel, y.ptr<U>(), condition.ptr<const bool>(), a.ptr<const U>(),
                 b.ptr<const U>(), bits(call.f(0)), bits(call.f(1)), layout.indexer(), numel);
  });
}

}  // namespace lenode::cuda
