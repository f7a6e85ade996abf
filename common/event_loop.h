// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_COMMON_EVENT_LOOP_H_
#define PVSCHED_COMMON_EVENT_LOOP_H_

#include <functional>
#include <memory>
#include <unordered_map>

#include "absl/status/status.h"
#include "common/unique_fd.h"

namespace pvsched {

// Waits for file descriptors to become readable and calls what was asked for.
// Thread-safety: one thread.
class EventLoop {
 public:
  EventLoop();

  // `on_readable` may add and remove any fd, its own included. The fd stays
  // the caller's, who removes it before closing it.
  absl::Status Add(int fd, std::function<void()> on_readable);
  void Remove(int fd);

  // Until Stop().
  void Run();
  void Stop() { stopped_ = true; }

 private:
  UniqueFd epoll_;
  std::unordered_map<int, std::shared_ptr<std::function<void()>>> callbacks_;
  bool stopped_ = false;
};

}  // namespace pvsched

#endif  // PVSCHED_COMMON_EVENT_LOOP_H_
