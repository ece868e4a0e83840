// SPDX-License-Identifier: Apache-2.0
#include "core/recorder.h"

#include <algorithm>

#include "core/error.h"

namespace lenode {
namespace {

// Bytes from a view's first element to the end of its last.
size_t bytes_of(const TensorView& view) {
  int64_t last = 0;
  for (int i = 0; i < view.rank; ++i) {
    if (view.dims[i] == 0) return 0;
    last += (view.dims[i] - 1) * view.strides[i];
  }
  return static_cast<size_t>(last + 1) * item_size(view.dtype);
}

int64_t distance(const void* from, const void* to) {
  return static_cast<const uint8_t*>(to) - static_cast<const uint8_t*>(from);
}

TensorView as_bytes(void* data, size_t bytes, uint64_t storage) {
  TensorView view;
  view.data = data;
  view.storage = storage;
  view.dtype = DType::uint8;
  view.rank = 1;
  view.dims[0] = static_cast<int64_t>(bytes);
  view.strides[0] = 1;
  return view;
}

}  // namespace

Recorder::~Recorder() {
  unmark();
  for (auto& [id, storage] : existing_) TensorTable::release(*storage);
}

void Recorder::unmark() {
  table_.for_each([](TensorEntry& entry) { entry.argument = -1; });
}

void Recorder::add_argument(TensorEntry& entry) {
  const bool moves = device_.api->begin_graph == nullptr;
  entry.argument = static_cast<int32_t>(arguments_.size());
  arguments_.push_back({entry.view, bytes_of(entry.view)});
  argument_data_.push_back(entry.view.data);
  slots_.push_back({moves ? 0 : arguments_.back().bytes, 0, 0});
}

void Recorder::made(const Storage& storage) { made_[storage.id].bytes = storage.bytes; }

void Recorder::touch(ArenaItem& item) {
  const auto now = position();
  if (item.last == 0) item.first = now;
  item.last = now;
}

Recorder::Place Recorder::place_of(const TensorEntry& entry, const TensorView& view, bool output) {
  Storage& storage = *entry.storage;
  Place place{storage.id, entry.argument, distance(storage.data, view.data)};
  if (entry.argument >= 0) {
    place.offset = distance(argument_data_[entry.argument], view.data);
    slots_[entry.argument].last = position();
    arguments_[entry.argument].written |= output;
    return place;
  }
  const auto made = made_.find(storage.id);
  if (made != made_.end()) {
    touch(made->second);
  } else if (existing_.emplace(storage.id, &storage).second) {
    TensorTable::retain(storage);  // the graph will need it, and its address must not serve another meanwhile
  }
  return place;
}

void Recorder::append(const Call& call, uint64_t sequence, const int32_t* handles) {
  calls_.push_back({call.op, call.n_inputs, call.n_outputs, call.n_attrs, sequence - first_sequence_});
  for (int i = 0; i < call.n_inputs + call.n_outputs; ++i) {
    const bool output = i >= call.n_inputs;
    const TensorView& view = output ? call.outputs[i - call.n_inputs] : call.inputs[i];
    views_.push_back(view);
    places_.push_back(view.present() ? place_of(table_.get(handles[i]), view, output) : Place{});
  }
  attrs_.insert(attrs_.end(), call.attrs, call.attrs + call.n_attrs);
}

void Recorder::add_result(int32_t handle) {
  const TensorEntry& entry = table_.get(handle);
  if (entry.device_id != device_id_) fail(ErrorCode::capture, "a result lies on another device than the step");
  results_.push_back({entry.view, bytes_of(entry.view)});
  result_places_.push_back(place_of(entry, entry.view, false));
}

size_t Recorder::plan() {
  unmark();
  const auto end = position();
  table_.for_each([&](TensorEntry& entry) {
    const auto found = made_.find(entry.storage->id);
    if (found != made_.end()) found->second.last = std::max(found->second.last, end);
  });
  std::vector<ArenaItem*> items;
  for (auto& [id, item] : made_)
    if (item.last > 0) items.push_back(&item);
  // The map's order is arbitrary, ids are not.
  std::sort(items.begin(), items.end(), [](const ArenaItem* a, const ArenaItem* b) {
    return a->first != b->first ? a->first < b->first : a->last != b->last ? a->last < b->last : a->bytes < b->bytes;
  });
  for (ArenaItem& slot : slots_)
    if (slot.bytes > 0) items.push_back(&slot);
  return plan_arena(items, device_.stream.threads());
}

std::shared_ptr<Graph> Recorder::finish(Storage& arena, uint64_t sequence_base, std::vector<Storage*>& held) {
  auto* const base = static_cast<uint8_t*>(arena.data);
  auto graph = std::make_shared<Graph>();
  graph->arguments = std::move(arguments_);
  for (size_t i = 0; i < slots_.size(); ++i)
    if (slots_[i].bytes > 0) graph->arguments[i].slot = base + slots_[i].offset;

  // The address of a place; null if it follows an argument.
  const auto address = [&](const Place& place) -> uint8_t* {
    if (place.argument >= 0) {
      auto* slot = static_cast<uint8_t*>(graph->arguments[place.argument].slot);
      return slot ? slot + place.offset : nullptr;
    }
    const auto made = made_.find(place.storage);
    if (made != made_.end()) return base + made->second.offset + place.offset;
    return static_cast<uint8_t*>(existing_.at(place.storage)->data) + place.offset;
  };
  for (size_t i = 0; i < views_.size(); ++i) {
    if (!views_[i].present()) continue;
    views_[i].data = address(places_[i]);
    if (places_[i].argument >= 0) graph->uses.push_back({i, places_[i].argument, places_[i].offset});
  }
  for (size_t i = 0; i < results_.size(); ++i) {
    results_[i].argument = result_places_[i].argument;
    results_[i].offset = result_places_[i].offset;
    results_[i].shape.data = address(result_places_[i]);
  }
  graph->results = std::move(results_);
  graph->views = std::move(views_);
  graph->attrs = std::move(attrs_);
  const TensorView* view = graph->views.data();
  const double* attr = graph->attrs.data();
  for (const Recorded& recorded : calls_) {
    Call call;
    call.op = recorded.op;
    call.n_inputs = recorded.n_inputs;
    call.n_outputs = recorded.n_outputs;
    call.n_attrs = recorded.n_attrs;
    call.inputs = view;
    call.outputs = view + call.n_inputs;
    call.attrs = attr;
    call.sequence = sequence_base + recorded.sequence;
    view += call.n_inputs + call.n_outputs;
    attr += call.n_attrs;
    graph->calls.push_back(call);
  }

  // One copy for each storage that is still held, then all of its views move. On a CPU the arena takes physical memory
  // as it is written to: what has been left goes back to the system in between, so that the two are never there whole.
  constexpr size_t kLeftBehind = size_t{64} << 20;
  size_t left_behind = 0;
  std::unordered_map<uint64_t, bool> copied;
  table_.for_each([&](TensorEntry& entry) {
    const auto found = made_.find(entry.storage->id);
    if (found == made_.end() || found->second.last == 0) return;
    const Storage& old = *entry.storage;
    const ArenaItem& item = found->second;
    if (item.bytes > 0 && !copied[old.id]) {
      const TensorView from = as_bytes(old.data, item.bytes, old.id), to = as_bytes(base + item.offset, item.bytes, old.id);
      Call copy;
      copy.op = OpId::copy;
      copy.n_inputs = copy.n_outputs = 1;
      copy.inputs = &from;
      copy.outputs = &to;
      device_.stream.run(copy);
      copied[old.id] = true;
      arena.parts.push_back({static_cast<int64_t>(item.offset), static_cast<int64_t>(item.bytes), old.id});
      left_behind += item.bytes;
    }
    const int64_t within = distance(old.data, entry.view.data);
    table_.rebase(entry, arena, static_cast<int64_t>(item.offset) + within);
    if (left_behind >= kLeftBehind) {
      device_.allocator.empty_cache();
      left_behind = 0;
    }
  });
  for (const auto& [id, item] : made_) graph->made.push_back(id);
  made_.clear();

  for (auto& [id, storage] : existing_) held.push_back(storage);
  existing_.clear();
  TensorTable::retain(arena);
  held.push_back(&arena);
  return graph;
}

}  // namespace lenode
