// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "common/event_loop.h"

#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "absl/log/check.h"
#include "absl/log/log.h"
#include "common/errno_status.h"

namespace pvsched {

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) { PCHECK(epoll_) << "epoll_create1"; }

absl::Status EventLoop::Add(int fd, std::function<void()> on_readable) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  callbacks_[fd] = std::make_shared<std::function<void()>>(std::move(on_readable));
  return absl::OkStatus();
}

void EventLoop::Remove(int fd) {
  if (callbacks_.erase(fd) != 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

absl::Status EventLoop::WaitFor(int fd, uint32_t event) {
  epoll_event wait = {};
  wait.events = event;
  wait.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &wait) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "epoll_ctl");
}

void EventLoop::Run() {
  while (!stopped_) {
    // One event a call: a callback may close an fd, and the kernel may reuse
    // the fd for another file. A later event of a batch would be the old file's.
    epoll_event event;
    const int ready = epoll_wait(epoll_.get(), &event, 1, -1);
    if (ready < 0) {
      PCHECK(errno == EINTR) << "epoll_wait";
      continue;
    }
    if (auto it = callbacks_.find(event.data.fd); it != callbacks_.end()) {
      const std::shared_ptr<std::function<void()>> callback = it->second;
      (*callback)();
    }
  }
}

}  // namespace pvsched
