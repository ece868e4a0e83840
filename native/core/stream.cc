// SPDX-License-Identifier: Apache-2.0
#include "core/stream.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/error.h"

namespace lenode {
namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waking a sleeping thread costs 30 to 60 us, as much as a small layer. Long enough to bridge the gaps inside a
// training step, short enough that an idle program uses no CPU.
constexpr auto kSpin = std::chrono::microseconds(50);

template <class Condition>
bool spin_until(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (condition()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return condition();
}

}  // namespace

Stream::Stream(const BackendApi* api, int32_t device) : api_(api), ring_(kCapacity) {
  thread_ = std::thread([this, device] { loop(device); });
  std::unique_lock lock(mutex_);
  producer_wakes_.wait(lock, [this] { return opened_; });
  if (open_error_.code != ErrorCode::ok) {
    lock.unlock();
    thread_.join();
    fail(open_error_.code, open_error_.message);
  }
  DeviceProperties properties{};
  if (!api_->begin_graph && api_->device_properties(device, &properties) == 0) threads_ = properties.multiprocessors;
}

Stream::~Stream() {
  stop();
  if (context_) api_->destroy_context(context_);
}

void Stream::stop() {
  stop_.store(true, std::memory_order_seq_cst);
  {
    std::lock_guard lock(mutex_);
    consumer_wakes_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

Stream::Task& Stream::begin_task() {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  // Until half the queue is free: waking for every slot would cost more than the slot's work.
  if (tail - head_.load(std::memory_order_acquire) >= kCapacity) sleep_until(tail - kCapacity / 2);
  return ring_[tail % kCapacity];
}

void Stream::sleep_until(uint64_t finished) {
  auto reached = [&] { return head_.load(std::memory_order_acquire) >= finished; };
  std::unique_lock lock(mutex_);
  wake_at_.store(finished, std::memory_order_seq_cst);
  // The timeout covers the moment between the consumer's look at wake_at_ and its next task.
  while (!reached()) producer_wakes_.wait_for(lock, std::chrono::milliseconds(1));
  wake_at_.store(kNever, std::memory_order_seq_cst);
}

void Stream::publish() {
  // Sequentially consistent, as is the consumer's store to consumer_sleeps_: one of the two sees the other.
  tail_.fetch_add(1, std::memory_order_seq_cst);
  if (consumer_sleeps_.load(std::memory_order_seq_cst)) {
    std::lock_guard lock(mutex_);
    consumer_wakes_.notify_one();
  }
}

uint64_t Stream::run(const Call& call) {
  Task& task = begin_task();
  task.kind = Task::Kind::call;
  task.call = call;
  const int operands = call.n_inputs + call.n_outputs;
  TensorView* views = task.operands;
  if (operands > kInlineOperands) {
    task.more_operands.resize(operands);
    views = task.more_operands.data();
  }
  std::copy_n(call.inputs, call.n_inputs, views);
  std::copy_n(call.outputs, call.n_outputs, views + call.n_inputs);
  double* attrs = task.attrs;
  if (call.n_attrs > kInlineAttrs) {
    task.more_attrs.resize(call.n_attrs);
    attrs = task.more_attrs.data();
  }
  std::copy_n(call.attrs, call.n_attrs, attrs);
  task.call.inputs = views;
  task.call.outputs = views + call.n_inputs;
  task.call.attrs = attrs;
  task.call.sequence = ++sequence_;
  publish();
  return sequence_;
}

void Stream::replay(std::shared_ptr<Graph> graph, Graph::Run run) {
  Task& task = begin_task();
  task.kind = Task::Kind::replay;
  task.graph = std::move(graph);
  task.run = std::move(run);
  publish();
}

void Stream::retire(std::shared_ptr<Graph> graph) {
  Task& task = begin_task();
  task.kind = Task::Kind::retire;
  task.graph = std::move(graph);
  publish();
}

void Stream::upload(void* target, std::unique_ptr<uint8_t[]> source, size_t bytes) {
  Task& task = begin_task();
  task.kind = Task::Kind::upload;
  task.target = target;
  task.owned = std::move(source);
  task.bytes = bytes;
  publish();
}

void Stream::download(void* target, const void* source, size_t bytes, std::function<void()> done) {
  Task& task = begin_task();
  task.kind = Task::Kind::download;
  task.target = target;
  task.source = source;
  task.bytes = bytes;
  task.done = std::move(done);
  publish();
}

void Stream::set_option(Option option, int64_t value) {
  if (option == Option::threads && !api_->begin_graph) threads_ = static_cast<int>(std::clamp<int64_t>(value, 1, 1024));
  Task& task = begin_task();
  task.kind = Task::Kind::option;
  task.option = option;
  task.value = value;
  publish();
}

void Stream::fence(std::function<void()> done) {
  Task& task = begin_task();
  task.kind = Task::Kind::fence;
  task.done = std::move(done);
  publish();
}

void Stream::wait() {
  fence(nullptr);
  const uint64_t target = tail_.load(std::memory_order_relaxed);
  if (!spin_until([&] { return head_.load(std::memory_order_acquire) >= target; })) sleep_until(target);
}

AsyncError Stream::take_error() {
  std::lock_guard lock(mutex_);
  AsyncError error = std::move(error_);
  error_ = AsyncError{};
  failed_.store(false, std::memory_order_release);
  return error;
}

void Stream::record_error(int32_t status, uint64_t sequence) {
  std::lock_guard lock(mutex_);
  if (failed_.load(std::memory_order_relaxed)) return;  // what follows a failure is its consequence
  error_ = {static_cast<ErrorCode>(status), api_->last_error(), sequence};
  failed_.store(true, std::memory_order_release);
}

void Stream::execute(Task& task) {
  switch (task.kind) {
    case Task::Kind::call: {
      if (const int32_t status = api_->run(context_, &task.call)) record_error(status, task.call.sequence);
      break;
    }
    case Task::Kind::upload: {
      if (const int32_t status = api_->upload(context_, task.target, task.owned.get(), task.bytes))
        record_error(status, 0);
      task.owned.reset();
      break;
    }
    case Task::Kind::download: {
      uint64_t sequence = 0;
      if (const int32_t status = api_->synchronize(context_, &sequence)) record_error(status, sequence);
      if (const int32_t status = api_->download(context_, task.target, task.source, task.bytes))
        record_error(status, 0);
      break;
    }
    case Task::Kind::replay: {
      uint64_t sequence = 0;
      if (const int32_t status = task.graph->run(*api_, context_, task.run, settings_, &sequence))
        record_error(status, sequence);
      task.graph.reset();
      break;
    }
    case Task::Kind::retire: {
      task.graph->drop(*api_, context_);
      task.graph.reset();
      break;
    }
    case Task::Kind::option: {
      ++settings_;
      if (const int32_t status = api_->set_option(context_, task.option, task.value)) record_error(status, 0);
      break;
    }
    case Task::Kind::fence: {
      uint64_t sequence = 0;
      if (const int32_t status = api_->synchronize(context_, &sequence)) record_error(status, sequence);
      break;
    }
  }
  if (task.done) {
    auto done = std::move(task.done);
    task.done = nullptr;
    done();
  }
}

void Stream::loop(int32_t device) {
  {
    const int32_t status = api_->create_context(device, &context_);
    std::lock_guard lock(mutex_);
    if (status != 0) open_error_ = {static_cast<ErrorCode>(status), api_->last_error(), 0};
    opened_ = true;
    producer_wakes_.notify_one();
    if (status != 0) return;
  }
  uint64_t head = 0;
  while (true) {
    auto ready = [&] {
      return tail_.load(std::memory_order_acquire) != head || stop_.load(std::memory_order_relaxed);
    };
    if (!spin_until(ready)) {
      std::unique_lock lock(mutex_);
      consumer_sleeps_.store(true, std::memory_order_seq_cst);
      consumer_wakes_.wait(lock, [&] {
        return tail_.load(std::memory_order_seq_cst) != head || stop_.load(std::memory_order_seq_cst);
      });
      consumer_sleeps_.store(false, std::memory_order_seq_cst);
    }
    // A stopping environment does not finish its queue: nobody is left to read the results.
    if (stop_.load(std::memory_order_seq_cst)) break;
    execute(ring_[head % kCapacity]);
    head_.store(++head, std::memory_order_release);
    if (head >= wake_at_.load(std::memory_order_seq_cst)) {
      std::lock_guard lock(mutex_);
      producer_wakes_.notify_one();
    }
  }
  uint64_t sequence = 0;
  api_->synchronize(context_, &sequence);
}

}  // namespace lenode
