// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_VMM_DEVICE_DAEMON_PATH_WATCH_H_
#define PVSCHED_VMM_DEVICE_DAEMON_PATH_WATCH_H_

#include <sys/inotify.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// Tells when a path may have come into being, by inotify on its directory or,
// where that does not exist yet, on the nearest one above it. Not thread-safe.
class PathWatch {
 public:
  static absl::StatusOr<std::unique_ptr<PathWatch>> Create(const std::string& path);

  int fd() const { return inotify_.get(); }

  // Starts, or adapts to directories that came or went. What happens to the
  // path from the start of this call on is told.
  void Arm();
  void Disarm();

  // To be called when fd() is readable. True if the path may be there now or
  // Arm() is needed again.
  bool Drain();

 private:
  PathWatch(UniqueFd inotify, const std::string& path);
  bool Matters(const inotify_event& event) const;

  UniqueFd inotify_;
  std::vector<std::string> directories_;  // outermost first
  std::vector<std::string> names_;        // what is waited for in each
  size_t level_ = 0;                      // index of the watched directory
  int watch_ = -1;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DAEMON_PATH_WATCH_H_
