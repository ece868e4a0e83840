// SPDX-License-Identifier: Apache-2.0
// Resampling by tables. A task is one row of outputs: the rows of inputs that it needs are mixed into one, in vectors
// along all channels and columns, and that one is then resampled along its columns.
#include "cpu/handlers.h"
#include "cpu/image_rows.h"
#include "cpu/parallel.h"

namespace lenode::cpu {
namespace {

// The table of one dimension; a dimension that the tensors do not have takes its only input as it is.
template <class T>
struct Axis {
  const int32_t* offsets = nullptr;
  const int32_t* places = nullptr;
  const T* weights = nullptr;
  int64_t in = 1, out = 1;

  int64_t first(int64_t o) const { return offsets[o]; }
  int64_t last(int64_t o) const { return offsets[o + 1]; }
};

constexpr int32_t kUnitOffsets[2] = {0, 1};
constexpr int32_t kUnitPlace = 0;
template <class T>
constexpr T kUnitWeight = 1;

template <class T>
struct Tables {
  Axis<T> axes[3];
  int64_t entries = 0;

  explicit Tables(const Call& call) {
    namespace o = op::resample;
    const TensorView &x = call.in(o::in::x), &y = call.out(o::out::y), &offsets = call.in(o::in::offsets),
                     &places = call.in(o::in::places), &weights = call.in(o::in::weights);
    require(x.rank >= 3 && x.rank <= 5 && y.rank == x.rank && x.dims[0] == y.dims[0] && x.dims[1] == y.dims[1],
            "resample: expected tensors [N, C, spatial...] of one rank, 3 to 5");
    require(offsets.dtype == DType::int32 && places.dtype == DType::int32 &&
                is_native(weights.dtype, compute_v<T>) && offsets.rank == 1 && places.rank == 1 && weights.rank == 1 &&
                offsets.contiguous() && places.contiguous() && weights.contiguous() &&
                places.dims[0] == weights.dims[0],
            "resample: expected contiguous tables of int32 positions and weights in the compute type");
    entries = places.dims[0];
    const int spatial = x.rank - 2;
    int64_t start = 0;
    for (int i = 0; i < 3; ++i) {
      const int own = i - (3 - spatial);
      if (own < 0) {
        axes[i] = {kUnitOffsets, &kUnitPlace, &kUnitWeight<T>, 1, 1};
        continue;
      }
      axes[i] = {offsets.ptr<const int32_t>() + start, places.ptr<const int32_t>(), weights.ptr<const T>(),
                 x.dims[2 + own], y.dims[2 + own]};
      start += axes[i].out + 1;
      require(start <= offsets.dims[0], "resample: the offsets do not fit the output");
      check(axes[i]);
    }
    require(start == offsets.dims[0], "resample: the offsets do not fit the output");
  }

 private:
  void check(const Axis<T>& axis) const {
    bool fits = axis.first(0) >= 0 && axis.last(axis.out - 1) <= entries;
    for (int64_t o = 0; fits && o < axis.out; ++o) fits = axis.first(o) <= axis.last(o);
    for (int64_t e = axis.first(0); fits && e < axis.last(axis.out - 1); ++e)
      fits = axis.places[e] >= 0 && axis.places[e] < axis.in;
    require(fits, "resample: a table leaves its input");
  }
};

template <class T>
void scaled(const T* from, T weight, T* to, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) to[i] = weight * from[i];
}
template <class T>
void add_scaled(const T* from, T weight, T* to, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) to[i] += weight * from[i];
}

// The weighted sum of the input rows of output row (od, oh): one of them where it stands alone, else made in `mixed`.
// Null if there are none.
template <class T>
const T* mix_rows(const Tables<T>& tables, const RowReader<T>& reader, int64_t size, int64_t image, int64_t od,
                  int64_t oh, T* converted, T* mixed) {
  const Axis<T> &d = tables.axes[0], &h = tables.axes[1];
  const T* alone = nullptr;
  bool any = false;
  const bool single = d.last(od) - d.first(od) == 1 && h.last(oh) - h.first(oh) == 1;
  for (int64_t i = d.first(od); i < d.last(od); ++i) {
    for (int64_t j = h.first(oh); j < h.last(oh); ++j) {
      const T* row = reader.read(image, d.places[i], h.places[j], converted);
      const T weight = d.weights[i] * h.weights[j];
      if (single && weight == T(1)) alone = row;
      else if (any) add_scaled(row, weight, mixed, size);
      else scaled(row, weight, mixed, size);
      any = true;
    }
  }
  return alone ? alone : any ? mixed : nullptr;
}

// Pixels of several lanes.
template <class T>
void resample_pixels(const Axis<T>& w, int64_t lanes, const T* from, T* to) {
  for (int64_t o = 0; o < w.out; ++o, to += lanes) {
    int64_t e = w.first(o);
    const int64_t last = w.last(o);
    if (e == last) {
      std::fill_n(to, lanes, T(0));
      continue;
    }
    const T* a = from + w.places[e] * lanes;
    if (last - e == 1) {
      if (w.weights[e] == T(1)) std::copy_n(a, lanes, to);
      else scaled(a, w.weights[e], to, lanes);
      continue;
    }
    const T* b = from + w.places[e + 1] * lanes;
    const T wa = w.weights[e], wb = w.weights[e + 1];
#pragma omp simd
    for (int64_t c = 0; c < lanes; ++c) to[c] = wa * a[c] + wb * b[c];
    for (e += 2; e < last; ++e) add_scaled(from + w.places[e] * lanes, w.weights[e], to, lanes);
  }
}

template <class T>
void resample_columns(const Axis<T>& w, const T* from, T* to) {
  for (int64_t o = 0; o < w.out; ++o) {
    T sum = T(0);
    for (int64_t e = w.first(o); e < w.last(o); ++e) sum += w.weights[e] * from[w.places[e]];
    to[o] = sum;
  }
}
// Every output is one input: padding and nearest neighbours.
template <class T>
void pick_columns(const Axis<T>& w, const T* from, T* to) {
  const int32_t* places = w.places + w.first(0);
  for (int64_t o = 0; o < w.out; ++o) to[o] = from[places[o]];
}

template <class T>
bool picks(const Axis<T>& w) {
  for (int64_t o = 0; o < w.out; ++o)
    if (w.last(o) - w.first(o) != 1 || w.weights[w.first(o)] != T(1)) return false;
  return true;
}

template <class T>
void resample(const Call& call) {
  namespace o = op::resample;
  const TensorView &x_view = call.in(o::in::x), &y_view = call.out(o::out::y);
  if (y_view.numel() == 0) return;
  const Tables<T> tables(call);
  const ImageLayout layout({&x_view, &y_view});
  const ImageRows x(x_view, layout), y(y_view, layout);
  const RowReader<T> reader(x);
  const Store store = store_function(compute_v<T>, y.dtype());
  const bool direct = y.direct<T>(), pick = picks(tables.axes[2]);
  const int64_t height = tables.axes[1].out, depth = tables.axes[0].out, tasks = layout.images * depth * height;
  const int slots = useful_threads(tasks, 2 * (x.row_size() + y.row_size()));
  const SlotBuffers<T> converted(slots, reader.direct() ? 0 : x.row_size());
  const SlotBuffers<T> mixed(slots, x.row_size());
  const SlotBuffers<T> outputs(slots, direct ? 0 : y.row_size());
  parallel_slots(slots, tasks, [&](int slot, int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t oh = task % height, od = task / height % depth, image = task / (height * depth);
      const T* from = mix_rows(tables, reader, x.row_size(), image, od, oh, converted[slot], mixed[slot]);
      char* row = y.row_mutable(image, od, oh);
      T* to = direct ? reinterpret_cast<T*>(row) : outputs[slot];
      if (!from) std::fill_n(to, y.row_size(), T(0));
      else if (layout.lanes > 1) resample_pixels(tables.axes[2], layout.lanes, from, to);
      else if (pick) pick_columns(tables.axes[2], from, to);
      else resample_columns(tables.axes[2], from, to);
      if (!direct) store(to, row, y.step(), y.row_size());
    }
  });
}

}  // namespace

void op_resample(Context&, const Call& call) {
  with_float_compute(call.in(0).dtype, [&](auto t) { resample<decltype(t)>(call); });
}

}  // namespace lenode::cpu
