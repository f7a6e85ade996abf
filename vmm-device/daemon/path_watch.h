// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DAEMON_PATH_WATCH_H_
#define PVSCHED_VMM_DEVICE_DAEMON_PATH_WATCH_H_

#include <sys/inotify.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// Reports by inotify that a path may exist now. Watches the path's directory, or
// the nearest ancestor that exists. Not thread-safe.
class PathWatch {
 public:
  static absl::StatusOr<std::unique_ptr<PathWatch>> Create(const std::string& path);

  int fd() const { return inotify_.get(); }

  // Starts to watch, or adapts to created and removed directories. Reports all
  // changes of the path since the start of this call.
  void Arm();
  void Disarm();

  // Reads the pending events; call when fd() is readable. True if the path may
  // exist now, or if Arm() must be called again.
  bool Drain();

 private:
  PathWatch(UniqueFd inotify, const std::string& path);
  bool IsRelevant(const inotify_event& event) const;

  UniqueFd inotify_;
  std::vector<std::string> directories_;  // outermost first
  std::vector<std::string> names_;        // the path's component in each directory
  size_t level_ = 0;                      // index of the watched directory
  int watch_ = -1;                        // inotify's descriptor of it; -1: none
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DAEMON_PATH_WATCH_H_
