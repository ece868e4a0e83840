// SPDX-License-Identifier: Apache-2.0
#include "core/stream.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>

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

namespace {

// Streams that may be at work when the process ends. Where exit() is called without the event that lets JavaScript hold
// them (addon/environment.cc), this comes before the destructors of every library that is loaded by then.
struct Streams {
  std::mutex mutex;
  std::set<Stream*> all;

  static Streams& get() {
    static Streams& streams = *new Streams;
    static const bool registered = [] {
      return std::atexit([] {
        std::lock_guard lock(get().mutex);
        for (Stream* stream : get().all) stream->hold();
      }) == 0;
    }();
    (void)registered;
    return streams;
  }
  void add(Stream* stream) {
    std::lock_guard lock(mutex);
    all.insert(stream);
  }
  void remove(Stream* stream) {
    std::lock_guard lock(mutex);
    all.erase(stream);
  }
};

}  // namespace

Stream::Stream(const BackendApi* api, int32_t device) : api_(api), runner_(api), ring_(kCapacity) {
  thread_ = std::thread([this, device] { loop(device); });
  std::unique_lock lock(mutex_);
  producer_wakes_.wait(lock, [this] { return opened_; });
  if (open_status_ != ErrorCode::ok) {
    lock.unlock();
    thread_.join();
    fail(open_status_, open_error_);
  }
  DeviceProperties properties{};
  if (!api_->begin_graph && api_->device_properties(device, &properties) == 0) threads_ = properties.multiprocessors;
  Streams::get().add(this);
}

Stream::~Stream() {
  stop();
  if (runner_.context) api_->destroy_context(runner_.context);
}

void Stream::stop() {
  Streams::get().remove(this);
  runner_.stopping.store(true, std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    mode_.store(Mode::stopping, std::memory_order_seq_cst);
    consumer_wakes_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Stream::hold() {
  std::unique_lock lock(mutex_);
  if (mode_.load(std::memory_order_relaxed) != Mode::running || !thread_.joinable()) return;
  mode_.store(Mode::held, std::memory_order_seq_cst);
  consumer_wakes_.notify_one();
  // Longer than any task takes, and yet an end if the device hangs.
  producer_wakes_.wait_for(lock, std::chrono::seconds(60), [this] { return parked_; });
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
  const bool held = mode_.load(std::memory_order_relaxed) == Mode::held;
  awaited_ = true;
  if (held) consumer_wakes_.notify_one();
  // The timeout covers the moment between the consumer's look at wake_at_ and its next task.
  while (!reached()) producer_wakes_.wait_for(lock, std::chrono::milliseconds(1));
  awaited_ = false;
  wake_at_.store(kNever, std::memory_order_seq_cst);
  if (held) producer_wakes_.wait(lock, [this] { return parked_; });
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

void Stream::upload(const TensorView& target, std::unique_ptr<uint8_t[]> source, size_t bytes) {
  Task& task = begin_task();
  task.kind = Task::Kind::upload;
  task.operands[0] = target;
  task.owned = std::move(source);
  task.bytes = bytes;
  publish();
}

void Stream::download(void* target, const TensorView& source, size_t bytes, Done done) {
  Task& task = begin_task();
  task.kind = Task::Kind::download;
  task.target = target;
  task.operands[0] = source;
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

void Stream::fence(Done done) {
  Task& task = begin_task();
  task.kind = Task::Kind::fence;
  task.done = std::move(done);
  publish();
}

void Stream::forget_all_but(std::unordered_set<uint64_t> live) {
  Task& task = begin_task();
  task.kind = Task::Kind::forget;
  task.live = std::move(live);
  publish();
}

void Stream::wait() {
  // After stop() nothing runs, and nobody would ever take the fence.
  if (!thread_.joinable()) return;
  fence(nullptr);
  const uint64_t target = tail_.load(std::memory_order_relaxed);
  if (!spin_until([&] { return head_.load(std::memory_order_acquire) >= target; })) sleep_until(target);
}

void Stream::execute(Task& task) {
  Faults& faults = runner_.faults;
  const TensorView& transferred = task.operands[0];
  FaultPtr fault;
  switch (task.kind) {
    case Task::Kind::call: runner_.run(task.call); break;
    case Task::Kind::upload: {
      if (const int32_t status = api_->upload(runner_.context, transferred.data, task.owned.get(), task.bytes))
        faults.carry(transferred.storage, runner_.fail(status, 0));
      else if (faults.any() && transferred.whole)
        faults.heal(transferred.storage);
      task.owned.reset();
      break;
    }
    case Task::Kind::download: {
      runner_.synchronize();
      if (faults.any()) fault = faults.carried_by(transferred.storage);
      if (fault) break;
      if (const int32_t status = api_->download(runner_.context, task.target, transferred.data, task.bytes))
        fault = runner_.fail(status, 0);
      break;
    }
    case Task::Kind::replay: {
      task.graph->run(runner_, task.run, settings_);
      task.graph.reset();
      break;
    }
    case Task::Kind::retire: {
      task.graph->drop(*api_, runner_.context);
      task.graph.reset();
      break;
    }
    case Task::Kind::option: {
      ++settings_;
      if (const int32_t status = api_->set_option(runner_.context, task.option, task.value)) runner_.fail(status, 0);
      break;
    }
    case Task::Kind::fence: runner_.synchronize(); break;
    case Task::Kind::forget: {
      faults.forget_all_but(task.live);
      task.live.clear();
      break;
    }
  }
  if (task.done) {
    auto done = std::move(task.done);
    task.done = nullptr;
    done(fault);
  }
}

// Sleeps while the stream is held, unless somebody waits for what is queued. Says whether it is to go on.
bool Stream::park(uint64_t head) {
  std::unique_lock lock(mutex_);
  parked_ = true;
  producer_wakes_.notify_all();
  consumer_wakes_.wait(lock, [&] {
    return mode_.load(std::memory_order_seq_cst) == Mode::stopping ||
           (awaited_ && tail_.load(std::memory_order_seq_cst) != head);
  });
  parked_ = false;
  return mode_.load(std::memory_order_seq_cst) != Mode::stopping;
}

void Stream::loop(int32_t device) {
  {
    const int32_t status = api_->create_context(device, &runner_.context);
    std::lock_guard lock(mutex_);
    if (status != 0) {
      open_status_ = static_cast<ErrorCode>(status);
      open_error_ = api_->last_error();
    }
    opened_ = true;
    producer_wakes_.notify_one();
    if (status != 0) return;
  }
  uint64_t head = 0;
  while (true) {
    auto ready = [&] {
      return tail_.load(std::memory_order_acquire) != head || mode_.load(std::memory_order_relaxed) != Mode::running;
    };
    if (!spin_until(ready)) {
      std::unique_lock lock(mutex_);
      consumer_sleeps_.store(true, std::memory_order_seq_cst);
      consumer_wakes_.wait(lock, [&] {
        return tail_.load(std::memory_order_seq_cst) != head || mode_.load(std::memory_order_seq_cst) != Mode::running;
      });
      consumer_sleeps_.store(false, std::memory_order_seq_cst);
    }
    // A stopping environment does not finish its queue: nobody is left to read the results.
    if (mode_.load(std::memory_order_seq_cst) != Mode::running && !park(head)) break;
    execute(ring_[head % kCapacity]);
    head_.store(++head, std::memory_order_release);
    if (head >= wake_at_.load(std::memory_order_seq_cst)) {
      std::lock_guard lock(mutex_);
      producer_wakes_.notify_all();
    }
  }
  uint64_t sequence = 0;
  api_->synchronize(runner_.context, &sequence);
}

}  // namespace lenode
