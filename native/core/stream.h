// SPDX-License-Identifier: Apache-2.0
// A stream: one thread that feeds one device with work in the order it was enqueued. On a CPU the thread does
// the arithmetic itself; on a GPU it launches kernels, so that neither building a cuDNN plan nor waiting for a
// result ever holds up JavaScript. Producer: the JavaScript thread of one environment, and no other.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/backend.h"
#include "core/error.h"
#include "core/graph.h"

namespace lenode {

// A failure that was found while the queue ran, long after the call that caused it returned.
struct AsyncError {
  ErrorCode code = ErrorCode::ok;
  std::string message;
  uint64_t sequence = 0;
};

class Stream {
 public:
  Stream(const BackendApi* api, int32_t device);  // throws Error when the device cannot be opened
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void* context() const { return context_; }
  // That share out the elements of a tensor among them, each with a cache of its own; 1 on a GPU.
  int threads() const { return threads_; }

  // Ends the thread after the task it is at; what is still queued is dropped.
  void stop();

  // Copies the call. Blocks while the queue is full, which keeps a loop that never reads a value from running
  // ahead without bound. Returns the call's sequence number.
  uint64_t run(const Call& call);
  // Runs a recorded step: one task for all of its calls.
  void replay(std::shared_ptr<Graph> graph, Graph::Run run);
  // Gives back what the backend holds of a graph, behind its last run.
  void retire(std::shared_ptr<Graph> graph);
  void upload(void* target, std::unique_ptr<uint8_t[]> source, size_t bytes);
  // `done` runs on the stream's thread when the data is in `target`.
  void download(void* target, const void* source, size_t bytes, std::function<void()> done);
  void set_option(Option option, int64_t value);
  // `done` runs on the stream's thread when everything before it has finished.
  void fence(std::function<void()> done);

  void wait();                        // blocks until the queue is empty and the device idle
  uint64_t enqueued() const { return tail_.load(std::memory_order_relaxed); }
  uint64_t sequence() const { return sequence_; }  // of the last call
  uint64_t completed() const { return head_.load(std::memory_order_acquire); }

  bool failed() const { return failed_.load(std::memory_order_acquire); }
  AsyncError take_error();

 private:
  static constexpr int kInlineOperands = 8;
  static constexpr int kInlineAttrs = 14;
  static constexpr uint64_t kCapacity = 1024;  // a few training steps

  struct Task {
    enum class Kind { call, upload, download, option, fence, replay, retire } kind = Kind::call;
    Call call;
    TensorView operands[kInlineOperands];
    double attrs[kInlineAttrs];
    std::vector<TensorView> more_operands;  // for calls that do not fit the fields above
    std::vector<double> more_attrs;
    void* target = nullptr;
    const void* source = nullptr;
    size_t bytes = 0;
    Option option = Option::threads;
    int64_t value = 0;
    std::unique_ptr<uint8_t[]> owned;
    std::shared_ptr<Graph> graph;
    Graph::Run run;
    std::function<void()> done;
  };

  static constexpr uint64_t kNever = ~uint64_t{0};

  Task& begin_task();
  void sleep_until(uint64_t finished);
  void publish();
  void loop(int32_t device);
  void execute(Task& task);
  void record_error(int32_t status, uint64_t sequence);

  const BackendApi* api_;
  void* context_ = nullptr;
  std::vector<Task> ring_;
  alignas(64) std::atomic<uint64_t> tail_{0};  // tasks enqueued
  alignas(64) std::atomic<uint64_t> head_{0};  // tasks finished
  int threads_ = 1;
  uint64_t sequence_ = 0;
  uint64_t settings_ = 0;  // options set so far; the stream's thread counts

  std::mutex mutex_;
  std::condition_variable consumer_wakes_, producer_wakes_;
  std::atomic<bool> consumer_sleeps_{false};
  std::atomic<uint64_t> wake_at_{kNever};  // the number of finished tasks that the sleeping producer waits for
  std::atomic<bool> stop_{false};
  bool opened_ = false;
  AsyncError open_error_;

  std::atomic<bool> failed_{false};
  AsyncError error_;
  std::thread thread_;
};

}  // namespace lenode
