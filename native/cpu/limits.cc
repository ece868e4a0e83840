// SPDX-License-Identifier: Apache-2.0
#include "cpu/limits.h"

#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace lenode::cpu {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// The leading number of a file; `fallback` if there is no such file or it says "max" or -1.
uint64_t read_number(const std::string& path, uint64_t fallback) {
  std::ifstream file(path);
  long long value;
  return file >> value && value >= 0 ? static_cast<uint64_t>(value) : fallback;
}

// The number behind `key` in a file of lines "key value" or "key: value kB".
uint64_t read_field(const std::string& path, const std::string& key, uint64_t fallback) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    uint64_t value;
    if (word == key && file >> value) return value;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return fallback;
}

// The folders of this process's cgroup and of all that enclose it. An empty controller means version 2.
std::vector<std::string> cgroup_folders(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  std::string line, path = "/";
  while (std::getline(file, line)) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string list = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controller.empty() ? list == ",," : list.find("," + controller + ",") != std::string::npos)
      path = line.substr(second + 1);
  }
  // In a container the path may be the host's while the mount shows the container's part: then only the root exists.
  const std::string mount = "/sys/fs/cgroup" + (controller.empty() ? "" : "/" + controller);
  std::vector<std::string> folders;
  while (path.size() > 1) {
    folders.push_back(mount + path);
    path.resize(path.rfind('/'));
  }
  folders.push_back(mount);
  return folders;
}

// CPUs' worth of time that the quotas allow, rounded up; 0 if there is no quota.
int cpu_quota() {
  double cpus = 0;
  const auto narrow = [&](double quota, double period) {
    if (quota > 0 && period > 0 && (cpus == 0 || quota / period < cpus)) cpus = quota / period;
  };
  for (const std::string& folder : cgroup_folders("")) {
    std::ifstream file(folder + "/cpu.max");
    double quota, period;
    if (file >> quota >> period) narrow(quota, period);  // "max 100000" is no number
  }
  for (const std::string& folder : cgroup_folders("cpu"))
    narrow(static_cast<double>(read_number(folder + "/cpu.cfs_quota_us", 0)),
           static_cast<double>(read_number(folder + "/cpu.cfs_period_us", 0)));
  return static_cast<int>(cpus + 0.999);
}

int affinity_count() {
#if defined(__linux__)
  // The mask of a machine with many CPUs may not fit a cpu_set_t.
  for (int capacity = CPU_SETSIZE; capacity <= 1 << 20; capacity *= 4) {
    cpu_set_t* set = CPU_ALLOC(capacity);
    const size_t bytes = CPU_ALLOC_SIZE(capacity);
    const bool ok = set && sched_getaffinity(0, bytes, set) == 0;
    const int count = ok ? CPU_COUNT_S(bytes, set) : 0;
    if (set) CPU_FREE(set);
    if (count > 0) return count;
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

uint64_t physical_memory() {
#if defined(__APPLE__)
  uint64_t bytes = 0;
  size_t size = sizeof bytes;
  if (sysctlbyname("hw.memsize", &bytes, &size, nullptr, 0) == 0) return bytes;
  return kUnlimited;
#else
  const uint64_t kilobytes = read_field("/proc/meminfo", "MemTotal:", 0);
  return kilobytes ? kilobytes * 1024 : kUnlimited;
#endif
}

}  // namespace

int default_threads() {
  for (const char* name : {"LENODE_NUM_THREADS", "OMP_NUM_THREADS"})
    if (const char* text = std::getenv(name)) {
      const int threads = std::atoi(text);
      if (threads > 0) return threads < 1024 ? threads : 1024;
    }
  int threads = affinity_count();
  const int quota = cpu_quota();
  if (quota > 0 && quota < threads) threads = quota;
  return threads > 0 ? threads : 1;
}

MemoryState system_memory() {
  const uint64_t physical = physical_memory();
  const uint64_t free_kilobytes = read_field("/proc/meminfo", "MemAvailable:", 0);
  MemoryState state{physical, free_kilobytes ? free_kilobytes * 1024 : physical};
  const auto narrow = [&](const std::string& folder, const char* limit_file, const char* usage_file,
                          const char* cache_field) {
    const uint64_t limit = read_number(folder + limit_file, kUnlimited);
    if (limit >= physical) return;
    const uint64_t usage = read_number(folder + usage_file, 0);
    // The kernel drops the inactive file cache before it kills anyone.
    const uint64_t cache = read_field(folder + "/memory.stat", cache_field, 0);
    const uint64_t used = usage > cache ? usage - cache : 0;
    if (limit < state.total) state.total = limit;
    const uint64_t left = limit > used ? limit - used : 0;
    if (left < state.available) state.available = left;
  };
  for (const std::string& folder : cgroup_folders(""))
    narrow(folder, "/memory.max", "/memory.current", "inactive_file");
  for (const std::string& folder : cgroup_folders("memory"))
    narrow(folder, "/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file");
  return state;
}

uint64_t memory_limit_setting() {
  const char* text = std::getenv("LENODE_MEMORY_LIMIT");
  if (!text) return 0;
  char* end = nullptr;
  double bytes = std::strtod(text, &end);
  if (end == text || !(bytes > 0)) return 0;
  if (*end == 'k' || *end == 'K') bytes *= 1024.0;
  if (*end == 'm' || *end == 'M') bytes *= 1024.0 * 1024;
  if (*end == 'g' || *end == 'G') bytes *= 1024.0 * 1024 * 1024;
  return bytes < 9e18 ? static_cast<uint64_t>(bytes) : 0;
}

}  // namespace lenode::cpu
