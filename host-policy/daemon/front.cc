// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/front.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/log/check.h"
#include "absl/log/log.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/errno_status.h"
#include "common/fd_passing.h"
#include "common/pidfd.h"
#include "host-policy/daemon/front_protocol.h"

namespace pvsched {
namespace {

constexpr itimerspec kRestartDelay = {.it_interval = {}, .it_value = {0, 100'000'000}};
// After a front process that could not start.
constexpr itimerspec kRetryDelay = {.it_interval = {}, .it_value = {2, 0}};
constexpr int kStartTimeoutMs = 10'000;
constexpr int kEndTimeoutMs = 1000;
// Each holds three descriptors of pvschedd.
constexpr size_t kMaxWaiting = 256;

// Starts this program, also after an upgrade has replaced its file. Returns its pidfd.
absl::StatusOr<UniqueFd> SpawnFront(int channel) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  const absl::Cleanup destroy = [&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  };
  posix_spawn_file_actions_adddup2(&actions, channel, kFrontChannel);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::string name = kFrontName;
  std::array<char*, 2> arguments = {name.data(), nullptr};
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments.data(), environ);
  if (error != 0) return ErrnoStatus(error, "cannot start the front process");
  return UniqueFd(pidfd_open(pid, 0));
}

}  // namespace

Front::~Front() {
  if (channel_) loop_.Remove(channel_.get());
  if (timer_) loop_.Remove(timer_.get());
  channel_.reset();
  // A service manager finds no process left.
  pollfd end = {.fd = process_.get(), .events = POLLIN, .revents = 0};
  poll(&end, 1, kEndTimeoutMs);
}

absl::Status Front::Start() {
  signal(SIGCHLD, SIG_IGN);
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer_) return ErrnoStatus(errno, "timerfd_create");
  RETURN_IF_ERROR(loop_.Add(timer_.get(), [this] { OnTimer(); }));
  RETURN_IF_ERROR(Spawn());
  return WaitUntilReady();
}

absl::Status Front::WaitUntilReady() {
  pollfd byte = {.fd = channel_.get(), .events = POLLIN, .revents = 0};
  if (poll(&byte, 1, kStartTimeoutMs) == 0) {
    return absl::DeadlineExceededError("the front process does not get ready");
  }
  OnChannel();
  if (is_ready_) return absl::OkStatus();
  return absl::InternalError("the front process has ended at its start");
}

bool Front::HasRoom(int listener) {
  if (waiting_.size() < kMaxWaiting) return true;
  CHECK_OK(loop_.WaitFor(listener, 0));
  paused_.push_back(listener);
  return false;
}

absl::Status Front::Spawn() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  UniqueFd own(ends[0]);
  const UniqueFd other(ends[1]);
  ASSIGN_OR_RETURN(process_, SpawnFront(other.get()));
  RETURN_IF_ERROR(loop_.Add(own.get(), [this] { OnChannel(); }));
  channel_ = std::move(own);
  is_ready_ = false;
  return absl::OkStatus();
}

UniqueFd Front::Guard(UniqueFd connection, int type, uid_t uid) {
  int ends[2];
  // Without a descriptor for itself the connection waits: it must not be closed here.
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    waiting_.push_back({.outside = std::move(connection), .inside = {}, .uid = uid});
    Flush();
    return UniqueFd();
  }
  UniqueFd near(ends[0]);
  waiting_.push_back({.outside = std::move(connection), .inside = UniqueFd(ends[1]), .uid = uid});
  Flush();
  return near;
}

void Front::CloseListener(UniqueFd listener) {
  shutdown(listener.get(), SHUT_RDWR);  // no process takes it for one that listens
  std::erase(paused_, listener.get());
  waiting_.push_back({.outside = std::move(listener), .inside = {}, .uid = 0});
  Flush();
}

void Front::Flush() {
  if (!channel_) return;
  bool is_full = false;
  while (!waiting_.empty() && !is_full) {
    const Handover& next = waiting_.front();
    const FrontRequest request = {.uid = next.uid};
    const std::array<int, 2> fds = {next.outside.get(), next.inside.get()};
    const absl::StatusOr<std::optional<size_t>> sent =
        SendWithFds(channel_.get(), &request, sizeof(request),
                    absl::MakeConstSpan(fds).first(next.inside ? 2 : 1));
    if (!sent.ok()) return;  // its end has an event of its own
    is_full = !sent->has_value();
    // The front process, or the message on its way, has them open, too.
    if (!is_full) waiting_.pop_front();
  }
  CHECK_OK(loop_.WaitFor(channel_.get(), EPOLLIN | (is_full ? EPOLLOUT : 0u)));
  if (is_full) return;
  for (const int listener : std::exchange(paused_, {})) {
    CHECK_OK(loop_.WaitFor(listener, EPOLLIN));
  }
}

void Front::OnChannel() {
  char byte;
  const ssize_t size = recv(channel_.get(), &byte, 1, 0);
  is_ready_ |= size > 0;
  if (size > 0 || (size < 0 && errno == EAGAIN)) return Flush();
  LOG(ERROR) << (is_ready_ ? "the front process has ended: devices connect again to the next one"
                           : "the front process cannot start");
  loop_.Remove(channel_.get());
  channel_.reset();
  RestartLater();
}

void Front::RestartLater() {
  timerfd_settime(timer_.get(), 0, is_ready_ ? &kRestartDelay : &kRetryDelay, nullptr);
  is_ready_ = false;
}

void Front::OnTimer() {
  uint64_t expirations = 0;
  if (read(timer_.get(), &expirations, sizeof(expirations)) < 0) return;
  if (const absl::Status status = Spawn(); !status.ok()) {
    LOG_EVERY_N_SEC(ERROR, 10) << status.message();
    return RestartLater();
  }
  Flush();
}

}  // namespace pvsched
