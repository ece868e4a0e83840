// SPDX-License-Identifier: Apache-2.0
#include "cpu/strided.h"

#include <algorithm>
#include <cstring>

#include "core/functors.h"
#include "cpu/convert.h"
#include "cpu/parallel.h"

namespace lenode::cpu {
namespace {

constexpr int64_t kBlock = 1024;
constexpr int64_t kLongRow = 128;  // rows at least this long are walked one by one, without gathering

// A byte of a bool tensor, which may hold any value that an upload put there.
struct Bool {
  uint8_t byte;
};

template <class To, class From>
inline To convert(From x) {
  if constexpr (std::is_same_v<From, Bool>) {
    return static_cast<To>(x.byte != 0);
  } else if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>) {
    return convert<To>(to_float(x));
  } else if constexpr (std::is_same_v<To, Half>) {
    return to_half(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return to_bfloat16(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, Bool>) {
    return {static_cast<uint8_t>(x != From(0))};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return static_cast<To>(functor::to_integer(x));
  } else {
    return static_cast<To>(x);
  }
}

template <class To, class From>
void load(const void* from, int64_t stride, void* to, int64_t n) {
  const From* x = static_cast<const From*>(from);
  To* y = static_cast<To*>(to);
  if constexpr (std::is_same_v<From, Half> && std::is_same_v<To, float>) {
    if (stride == 1) return halves_to_floats(x, y, n);
  }
  if (stride == 1) {
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(y, x, n * sizeof(To));
    } else {
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] = convert<To>(x[i]);
    }
  } else if (stride == 0) {
    std::fill_n(y, n, convert<To>(x[0]));
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = convert<To>(x[i * stride]);
  }
}

template <class From, class To>
void store(const void* from, void* to, int64_t stride, int64_t n) {
  const From* x = static_cast<const From*>(from);
  To* y = static_cast<To*>(to);
  if constexpr (std::is_same_v<To, Half> && std::is_same_v<From, float>) {
    if (stride == 1) return floats_to_halves(x, y, n);
  }
  if (stride == 1) {
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(y, x, n * sizeof(To));
    } else {
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] = convert<To>(x[i]);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) y[i * stride] = convert<To>(x[i]);
  }
}

template <class To>
Load load_to(DType from) {
  switch (from) {
    case DType::float32: return load<To, float>;
    case DType::float64: return load<To, double>;
    case DType::float16: return load<To, Half>;
    case DType::bfloat16: return load<To, BFloat16>;
    case DType::int32: return load<To, int32_t>;
    case DType::int64: return load<To, int64_t>;
    case DType::uint8: return load<To, uint8_t>;
    case DType::boolean: return load<To, Bool>;
  }
  return nullptr;
}

}  // namespace

Load load_function(DType from, Compute to) {
  switch (to) {
    case Compute::float32: return load_to<float>(from);
    case Compute::float64: return load_to<double>(from);
    default: return load_to<int64_t>(from);
  }
}

Store store_function(Compute from, DType to) {
  if (to == DType::boolean) {
    switch (from) {
      case Compute::float32: return store<float, Bool>;
      case Compute::float64: return store<double, Bool>;
      case Compute::int64: return store<int64_t, Bool>;
      case Compute::byte: return store<uint8_t, uint8_t>;
    }
  }
  LENODE_CHECK(from == compute_of(to), "store: no conversion to " + std::string(dtype_name(to)));
  switch (to) {
    case DType::float32: return store<float, float>;
    case DType::float64: return store<double, double>;
    case DType::float16: return store<float, Half>;
    case DType::bfloat16: return store<float, BFloat16>;
    case DType::int32: return store<int64_t, int32_t>;
    case DType::int64: return store<int64_t, int64_t>;
    default: return store<int64_t, uint8_t>;
  }
}

bool StridedLoop::flat(int operand) const {
  int64_t expected = 1;
  for (int i = rank - 1; i >= 0; --i) {
    if (strides[operand][i] != expected) return false;
    expected *= dims[i];
  }
  return true;
}

bool StridedLoop::constant(int operand) const {
  for (int i = 0; i < rank; ++i)
    if (strides[operand][i] != 0) return false;
  return true;
}

bool StridedLoop::repeats_rows(int operand) const {
  for (int i = 0; i < rank - 1; ++i)
    if (strides[operand][i] != 0) return false;
  return rank > 1;
}

StridedLoop make_loop(std::initializer_list<const TensorView*> views, int without_dim) {
  const TensorView& shape = **views.begin();
  StridedLoop loop;
  loop.operands = static_cast<int>(views.size());
  LENODE_CHECK(loop.operands <= kMaxOperands, "loop: too many operands");

  for (const TensorView* view : views) {
    const int before = shape.rank - view->rank;  // shapes align at the right
    require(before >= 0, "pointwise: an operand has more dimensions than the result");
    for (int i = 0; i < view->rank; ++i)
      require(view->dims[i] == 1 || view->dims[i] == shape.dims[before + i] || i + before == without_dim,
              "pointwise: the operands' shapes do not broadcast");
  }
  int order[kMaxRank];
  int count = 0;
  for (int i = 0; i < shape.rank; ++i) {
    if (i == without_dim) continue;
    loop.numel *= shape.dims[i];
    if (shape.dims[i] == 1) continue;
    // Insertion keeps the logical order of equal strides.
    int place = count++;
    for (; place > 0 && shape.strides[order[place - 1]] < shape.strides[i]; --place) order[place] = order[place - 1];
    order[place] = i;
  }

  for (int k = 0; k < count; ++k) {
    const int dim = order[k];
    int64_t strides[kMaxOperands];
    int operand = 0;
    for (const TensorView* view : views) {
      const int own = dim - (shape.rank - view->rank);
      strides[operand++] = own >= 0 && view->dims[own] != 1 ? view->strides[own] : 0;
    }
    bool merge = loop.rank > 0;
    for (int j = 0; merge && j < loop.operands; ++j)
      merge = loop.strides[j][loop.rank - 1] == strides[j] * shape.dims[dim];
    if (!merge) ++loop.rank;
    const int target = loop.rank - 1;
    loop.dims[target] = merge ? loop.dims[target] * shape.dims[dim] : shape.dims[dim];
    for (int j = 0; j < loop.operands; ++j) loop.strides[j][target] = strides[j];
  }
  return loop;
}

Walker::Walker(const StridedLoop& loop, int64_t position)
    : loop_(loop), last_(std::max(0, loop.rank - 1)), position_(position) {
  for (int i = loop.rank - 1; i >= 0 && position > 0; --i) {
    coordinate_[i] = position % loop.dims[i];
    position /= loop.dims[i];
  }
}

void Walker::advance(int64_t n) {
  position_ += n;
  coordinate_[last_] += n;
  for (int i = last_; i >= 0 && loop_.rank > 0 && coordinate_[i] >= loop_.dims[i]; --i) {
    const int64_t carry = coordinate_[i] < 2 * loop_.dims[i] ? 1 : coordinate_[i] / loop_.dims[i];
    coordinate_[i] -= carry * loop_.dims[i];
    if (i == 0) break;  // past the end
    coordinate_[i - 1] += carry;
  }
}

void run_blocks(const TensorView& y, std::initializer_list<Operand> inputs, Compute compute, Compute result,
                BlockKernel kernel, const void* params, int64_t cost) {
  const TensorView scalar_view = [] {
    TensorView view;
    view.rank = 0;
    return view;
  }();
  constexpr int kMaxInputs = kMaxOperands - 1;
  const int n_inputs = static_cast<int>(inputs.size());
  const TensorView* views[kMaxInputs];
  double scalars[kMaxInputs];
  bool given[kMaxInputs];
  for (int i = 0; i < kMaxInputs; ++i) {
    const Operand* operand = i < n_inputs ? inputs.begin() + i : nullptr;
    given[i] = operand && operand->view && operand->view->present();
    views[i] = given[i] ? operand->view : &scalar_view;
    scalars[i] = operand ? operand->scalar : 0;
  }
  const StridedLoop loop = make_loop({&y, views[0], views[1], views[2], views[3]});
  if (loop.numel == 0) return;

  struct Access {
    bool direct_row, direct_flat, constant, repeated;
    Load load;
  } access[kMaxInputs];
  const size_t size = compute_size(compute);
  const int64_t inner = loop.inner_size();
  bool all_flat = true, any_repeated = false, rows_gain = false;
  for (int i = 0; i < n_inputs; ++i) {
    const bool native = given[i] && is_native(views[i]->dtype, compute);
    Access& a = access[i];
    a.constant = !given[i] || loop.constant(i + 1);
    a.direct_flat = native && !a.constant && loop.flat(i + 1);
    a.direct_row = native && loop.inner_stride(i + 1) == 1;
    // The same row over and over (a bias per channel): its buffer is filled once, if blocks are whole rows.
    a.repeated = !a.constant && inner <= kBlock && loop.repeats_rows(i + 1);
    a.load = given[i] ? load_function(views[i]->dtype, compute) : nullptr;
    all_flat = all_flat && a.direct_flat;
    any_repeated = any_repeated || a.repeated;
    rows_gain = rows_gain || (a.direct_row && !a.direct_flat && !a.repeated);
  }
  const bool y_native = is_native(y.dtype, result);
  const bool y_flat = y_native && loop.flat(0);
  const bool y_row = y_native && loop.inner_stride(0) == 1;
  const Store store_y = y_native && y_flat ? nullptr : store_function(result, y.dtype);
  all_flat = all_flat && y_flat;
  rows_gain = rows_gain || (y_row && !y_flat);
  const int64_t block = any_repeated ? kBlock / inner * inner : kBlock;
  const bool by_rows = inner >= kLongRow && (rows_gain || !any_repeated);

  parallel_chunks(loop.numel, cost, [&](int64_t begin, int64_t end) {
    alignas(64) char buffers[kMaxOperands][kBlock * 8];
    const void* pointers[kMaxInputs] = {};
    for (int i = 0; i < n_inputs; ++i) {
      if (!access[i].constant) continue;
      const int64_t n = std::min(kBlock, end - begin);
      pointers[i] = buffers[i + 1];
      if (given[i]) {
        access[i].load(views[i]->data, 0, buffers[i + 1], n);
      } else if (compute == Compute::float32) {
        std::fill_n(reinterpret_cast<float*>(buffers[i + 1]), n, static_cast<float>(scalars[i]));
      } else if (compute == Compute::float64) {
        std::fill_n(reinterpret_cast<double*>(buffers[i + 1]), n, scalars[i]);
      } else {
        std::fill_n(reinterpret_cast<int64_t*>(buffers[i + 1]), n, from_double<int64_t>(scalars[i]));
      }
    }

    Walker walker(loop, begin);
    while (walker.position() < end) {
      int64_t n = end - walker.position();
      if (!all_flat) {
        n = std::min(n, block);
        if (by_rows) n = std::min(n, walker.left_in_row());
      }
      const bool in_row = n <= walker.left_in_row();
      for (int i = 0; i < n_inputs; ++i) {
        const Access& a = access[i];
        if (a.constant || (a.repeated && !by_rows && walker.position() > begin)) continue;
        if (a.direct_flat) {
          pointers[i] = static_cast<const char*>(views[i]->data) + walker.position() * size;
        } else if (a.direct_row && in_row) {
          pointers[i] = at(*views[i], walker.offset(i + 1));
        } else {
          char* buffer = buffers[i + 1];
          walker.for_runs(i + 1, n, [&](int64_t offset, int64_t stride, int64_t first, int64_t count) {
            a.load(at(*views[i], offset), stride, buffer + first * size, count);
          });
          pointers[i] = buffer;
        }
      }
      void* target = buffers[0];
      if (y_flat) target = at_mutable(y, walker.position());
      else if (y_row && in_row) target = at_mutable(y, walker.offset(0));
      kernel(target, pointers, n, params);
      if (target == buffers[0]) {
        walker.for_runs(0, n, [&](int64_t offset, int64_t stride, int64_t first, int64_t count) {
          store_y(buffers[0] + first * compute_size(result), at_mutable(y, offset), stride, count);
        });
      }
      walker.advance(n);
    }
  });
}

bool is_dense(const TensorView& view) {
  const StridedLoop loop = make_loop({&view});
  return loop.numel == 0 || loop.flat(0);
}

}  // namespace lenode::cpu
