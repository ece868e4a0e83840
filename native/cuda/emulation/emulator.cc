// SPDX-License-Identifier: Apache-2.0
#include "emulator.h"

#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace lenode::emulation {
namespace {

constexpr size_t kStack = 128 << 10;
constexpr int kWarp = 32, kMaxThreads = 1024;

enum class State { ready, at_block_barrier, at_warp_barrier, done };

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  State state;
  uint3 index;
  int warp, lane;
  bool odd_exchange;
  unsigned mask;  // of the warp barrier it waits at
};

std::vector<Fiber> fibers(kMaxThreads);
ucontext_t scheduler;
Fiber* current;
const std::function<void()>* body;
uint64_t slots[2][kMaxThreads / kWarp][kWarp];

void enter() {
  (*body)();
  current->state = State::done;
  swapcontext(&current->context, &scheduler);
}

void wait(State state) {
  current->state = state;
  swapcontext(&current->context, &scheduler);
}

void resume(Fiber& fiber) {
  current = &fiber;
  threadIdx = fiber.index;
  swapcontext(&scheduler, &fiber.context);
}

void prepare(int thread) {
  Fiber& fiber = fibers[thread];
  if (!fiber.stack) fiber.stack = std::make_unique<char[]>(kStack);
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStack;
  fiber.context.uc_link = &scheduler;
  makecontext(&fiber.context, enter, 0);
  const unsigned t = static_cast<unsigned>(thread);
  fiber.index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
  fiber.state = State::ready;
  fiber.warp = thread / kWarp;
  fiber.lane = thread % kWarp;
  fiber.odd_exchange = false;
}

void shuffle_order(std::vector<int>& order) {
  static const char* const mode = std::getenv("EMULATION_ORDER");
  static std::mt19937 random(1);
  if (mode == nullptr) return;
  if (std::strcmp(mode, "reversed") == 0) std::reverse(order.begin(), order.end());
  if (std::strcmp(mode, "random") == 0) std::shuffle(order.begin(), order.end(), random);
}

// Lets a warp go on once every lane in the mask waits with that same mask.
bool release_warp(int first, int threads) {
  for (int t = first; t < std::min(threads, first + kWarp); ++t) {
    if (fibers[t].state != State::at_warp_barrier) continue;
    const unsigned mask = fibers[t].mask;
    bool complete = true;
    for (int lane = 0; lane < kWarp && first + lane < threads; ++lane) {
      if (!(mask >> lane & 1)) continue;
      const Fiber& other = fibers[first + lane];
      if (other.state == State::done) fault("a lane in the mask has exited");
      complete = complete && other.state == State::at_warp_barrier && other.mask == mask;
    }
    if (!complete) continue;
    for (int lane = 0; lane < kWarp && first + lane < threads; ++lane)
      if (mask >> lane & 1) fibers[first + lane].state = State::ready;
    return true;
  }
  return false;
}

void run_block(int threads) {
  std::vector<int> order(threads);
  for (int t = 0; t < threads; ++t) {
    order[t] = t;
    prepare(t);
  }
  for (;;) {
    shuffle_order(order);
    bool progress = false;
    for (int t : order) {
      if (fibers[t].state != State::ready) continue;
      resume(fibers[t]);
      progress = true;
    }
    int done = 0, waiting = 0;
    for (int t = 0; t < threads; ++t) {
      done += fibers[t].state == State::done;
      waiting += fibers[t].state == State::at_block_barrier;
    }
    if (done == threads) return;
    if (done + waiting == threads) {
      for (int t = 0; t < threads; ++t)
        if (fibers[t].state == State::at_block_barrier) fibers[t].state = State::ready;
      continue;
    }
    for (int first = 0; first < threads; first += kWarp) progress = release_warp(first, threads) || progress;
    if (!progress) fault("threads wait at different barriers");
  }
}

}  // namespace

void block_barrier() { wait(State::at_block_barrier); }
void warp_barrier(unsigned mask) {
  current->mask = mask;
  wait(State::at_warp_barrier);
}
int lane() { return current->lane; }
uint64_t* exchange() {
  current->odd_exchange = !current->odd_exchange;
  return slots[current->odd_exchange][current->warp];
}

void fault(const char* what) {
  std::fprintf(stderr, "emulation: %s (block %u,%u, thread %u,%u)\n", what, blockIdx.x, blockIdx.y, threadIdx.x,
               threadIdx.y);
  std::abort();
}

void run(dim3 grid, dim3 block, const std::function<void()>& thread) {
  const uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
  if (threads == 0 || threads > kMaxThreads || grid.x == 0 || grid.x > 0x7fffffffu || grid.y == 0 ||
      grid.y > 65535 || grid.z != 1)
    fault("a launch of impossible shape");
  blockDim = block;
  gridDim = grid;
  body = &thread;
  for (unsigned y = 0; y < grid.y; ++y)
    for (unsigned x = 0; x < grid.x; ++x) {
      blockIdx = {x, y, 0};
      run_block(static_cast<int>(threads));
    }
}

}  // namespace lenode::emulation
