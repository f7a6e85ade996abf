// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_BASELINE_STORE_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_BASELINE_STORE_H_

#include <sched.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// The baselines of vCPU threads, in a file that outlives pvschedd: the kernel
// keeps what was written to a shared mapping, even after SIGKILL. The next
// start, or `pvschedd --restore`, restores the baselines from the file.
//
// Thread-safety: an entry belongs to one caller at a time.
class BaselineStore {
 public:
  // The name of the file in the state directory.
  static constexpr std::string_view kFileName = "baseline";

  struct Entry {
    uint64_t start_time;  // of the thread: a reused tid has another one
    int32_t tid;          // 0: the entry is free
    uint32_t is_applied;  // `applied` was set last, or was about to be
    sched_attr baseline;
    sched_attr applied;
    sched_attr previous;  // what `applied` replaced, or was about to replace
  };

  // Opens or creates the file. The file is locked: a second pvschedd fails.
  static absl::StatusOr<std::unique_ptr<BaselineStore>> Open(const std::string& path);
  ~BaselineStore();
  BaselineStore(const BaselineStore&) = delete;
  BaselineStore& operator=(const BaselineStore&) = delete;

  // Restores the baseline of each thread in the file. A thread whose parameters
  // are no longer the applied ones keeps them: an admin has set them since.
  // Frees all entries, except those of threads that cannot be restored now.
  // Returns how many threads were restored.
  int RestoreAll();

  // Saves the thread's parameters as its baseline.
  absl::Status Add(uint32_t slot, pid_t tid);
  // As RestoreAll(), for one entry. `new_tid` returns the tid that the thread
  // has after an exec; 0: it still has its old one, or it has ended.
  bool Restore(uint32_t slot, const std::function<pid_t()>& new_tid = {});

  Entry& entry(uint32_t slot);

 private:
  struct File;
  BaselineStore() = default;

  UniqueFd fd_;
  File* file_ = nullptr;
};

// When the thread started, in the kernel's clock ticks since boot. NotFound
// only if the thread does not exist.
absl::StatusOr<uint64_t> ThreadStartTime(pid_t tid);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_BASELINE_STORE_H_
