// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_EVENT_LOOP_H_
#define PVSCHED_COMMON_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "absl/status/status.h"
#include "common/unique_fd.h"

namespace pvsched {

// Waits until file descriptors are readable, and calls their callbacks. For one
// thread.
class EventLoop {
 public:
  EventLoop();

  // Calls `on_readable` each time `fd` is readable. The callback may add and
  // remove any fd, its own too. The caller owns `fd` and removes it before it
  // closes it.
  absl::Status Add(int fd, std::function<void()> on_readable);
  void Remove(int fd);
  // Calls the callback of `fd` from now on for `event` instead: EPOLLIN or EPOLLOUT.
  absl::Status WaitFor(int fd, uint32_t event);

  // Returns after Stop(), once the current callback has returned.
  void Run();
  void Stop() { stopped_ = true; }

 private:
  UniqueFd epoll_;
  // Shared with Run(), so that a callback outlives its own removal.
  std::unordered_map<int, std::shared_ptr<std::function<void()>>> callbacks_;
  bool stopped_ = false;
};

}  // namespace pvsched

#endif  // PVSCHED_COMMON_EVENT_LOOP_H_
