// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_BASELINE_STORE_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_BASELINE_STORE_H_

#include <sched.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// Each vCPU thread's own scheduling parameters, in a file that outlives
// pvschedd however it ends: what was written to a shared mapping is the
// kernel's, even after SIGKILL. The next start, or `pvschedd --restore`, gives
// the threads back what was theirs.
//
// Thread-safety: an entry belongs to one caller at a time.
class BaselineStore {
 public:
  struct Entry {
    uint64_t start_time;  // of the thread, so that a reused tid is not taken for it
    int32_t tid;          // 0: the entry is free
    uint32_t is_applied;  // `applied` was set last, or was about to be
    sched_attr baseline;
    sched_attr applied;
    sched_attr previous;  // what `applied` replaced, or was about to replace
  };

  // Opens or creates the file. A second pvschedd is refused: the file is locked.
  static absl::StatusOr<std::unique_ptr<BaselineStore>> Open(const std::string& path);
  ~BaselineStore();
  BaselineStore(const BaselineStore&) = delete;
  BaselineStore& operator=(const BaselineStore&) = delete;

  // Gives every thread in the file its baseline back, unless its parameters
  // are no longer those that were applied: then somebody else has set them
  // since. Empties the file, but for threads that cannot be restored now;
  // returns how many threads were restored.
  int RestoreAll();

  // Takes a snapshot of the thread's parameters.
  absl::Status Add(uint32_t slot, pid_t tid);
  // As RestoreAll, for one. `other_tid`: the number that the thread has if it has
  // not its own any more; 0 if it has ended then.
  bool Restore(uint32_t slot, const std::function<pid_t()>& other_tid = {});

  Entry& entry(uint32_t slot);

 private:
  struct File;
  BaselineStore() = default;

  UniqueFd fd_;
  File* file_ = nullptr;
};

// When the thread started, in the kernel's clock ticks since boot; NotFound only
// if there is no such thread.
absl::StatusOr<uint64_t> ThreadStartTime(pid_t tid);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_BASELINE_STORE_H_
