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
#include <unordered_set>
#include <vector>

#include "core/backend.h"
#include "core/error.h"
#include "core/graph.h"

namespace lenode {

// Called on the stream's thread when something is done, with what makes its result worthless, if anything.
using Done = std::function<void(const FaultPtr&)>;

class Stream {
 public:
  Stream(const BackendApi* api, int32_t device);  // throws Error when the device cannot be opened
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void* context() const { return runner_.context; }
  // That share out the elements of a tensor among them, each with a cache of its own; 1 on a GPU.
  int threads() const { return threads_; }

  // Ends the thread after the call it is at; what is still queued is dropped.
  void stop();
  // For the end of the process: returns when the thread has finished the task it is at. From then on it works only while
  // somebody waits for it, so that it uses no library that is being torn down.
  void hold();

  // Copies the call. Blocks while the queue is full, which keeps a loop that never reads a value from running
  // ahead without bound. Returns the call's sequence number.
  uint64_t run(const Call& call);
  // Runs a recorded step: one task for all of its calls.
  void replay(std::shared_ptr<Graph> graph, Graph::Run run);
  // Gives back what the backend holds of a graph, behind its last run.
  void retire(std::shared_ptr<Graph> graph);
  void upload(const TensorView& target, std::unique_ptr<uint8_t[]> source, size_t bytes);
  // `done` runs when the data is in `target`, or never will be.
  void download(void* target, const TensorView& source, size_t bytes, Done done);
  void set_option(Option option, int64_t value);
  // `done` runs when everything before it has finished.
  void fence(Done done);
  // Tells what can still be read; see core/faults.h.
  void forget_all_but(std::unordered_set<uint64_t> live);

  void wait();                        // blocks until the queue is empty and the device idle
  uint64_t enqueued() const { return tail_.load(std::memory_order_relaxed); }
  uint64_t sequence() const { return sequence_; }  // of the last call
  uint64_t completed() const { return head_.load(std::memory_order_acquire); }

  // For JavaScript's thread, its functions for that thread.
  Faults& faults() { return runner_.faults; }

 private:
  static constexpr int kInlineOperands = 8;
  static constexpr int kInlineAttrs = 14;
  static constexpr uint64_t kCapacity = 1024;  // a few training steps

  struct Task {
    enum class Kind { call, upload, download, option, fence, replay, retire, forget } kind = Kind::call;
    Call call;
    TensorView operands[kInlineOperands];
    double attrs[kInlineAttrs];
    std::vector<TensorView> more_operands;  // for calls that do not fit the fields above
    std::vector<double> more_attrs;
    void* target = nullptr;  // of a download; what is transferred on the device is operands[0]
    size_t bytes = 0;
    Option option = Option::threads;
    int64_t value = 0;
    std::unique_ptr<uint8_t[]> owned;
    std::shared_ptr<Graph> graph;
    Graph::Run run;
    std::unordered_set<uint64_t> live;
    Done done;
  };
  enum class Mode { running, held, stopping };

  static constexpr uint64_t kNever = ~uint64_t{0};

  Task& begin_task();
  void sleep_until(uint64_t finished);
  void publish();
  void loop(int32_t device);
  void execute(Task& task);
  bool park(uint64_t head);

  const BackendApi* api_;
  Runner runner_;
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
  std::atomic<Mode> mode_{Mode::running};
  bool opened_ = false, parked_ = false, awaited_ = false;
  ErrorCode open_status_ = ErrorCode::ok;
  std::string open_error_;
  std::thread thread_;
};

}  // namespace lenode
