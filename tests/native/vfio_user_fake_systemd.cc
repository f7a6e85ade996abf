// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/native/vfio_user_fake_systemd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/fd_passing.h"

namespace pvsched {

FakeSystemd::FakeSystemd(const std::string& notify, UniqueFd listener)
    : notify_(notify), listener_(std::move(listener)) {
  socket_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  strncpy(address.sun_path, notify.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  thread_ = std::thread([this] { Serve(); });
}

FakeSystemd::~FakeSystemd() {
  stop_ = true;
  thread_.join();
}

void FakeSystemd::Serve() {
  while (!stop_) {
    pollfd readable{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (poll(&readable, 1, /*timeout=*/20) <= 0) continue;
    char text[4096];
    auto received = ReceiveWithFds(socket_.get(), text, sizeof(text), /*max_fds=*/1);
    if (!received.ok() || !received->has_value()) continue;
    std::vector<UniqueFd>& fds = (*received)->fds;
    Handle(std::string(text, (*received)->size), fds.empty() ? UniqueFd() : std::move(fds[0]));
  }
}

// The barrier of sd_notify_barrier() is that its descriptor is closed.
void FakeSystemd::Handle(const std::string& message, UniqueFd fd) {
  std::map<std::string, std::string> fields;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(message, '\n'))) {
    fields.insert(
        std::pair<std::string, std::string>(absl::StrSplit(line, absl::MaxSplits('=', 1))));
  }
  if (fields["READY"] == "1") is_ready_ = true;
  const std::lock_guard lock(mutex_);
  if (fields["FDSTOREREMOVE"] == "1") {
    EXPECT_GT(stored_.erase(fields["FDNAME"]), 0u) << fields["FDNAME"];
  } else if (fields["FDSTORE"] == "1" && !IsStored(fd.get())) {
    stored_.emplace(fields["FDNAME"], std::move(fd));
  }
}

bool FakeSystemd::IsStored(int fd) const {
  const pid_t pid = getpid();
  for (const auto& [name, stored] : stored_) {
    if (syscall(SYS_kcmp, pid, pid, KCMP_FILE, fd, stored.get()) == 0) return true;
  }
  return false;
}

std::function<void()> FakeSystemd::Prepare() const {
  const std::lock_guard lock(mutex_);
  std::vector<int> fds = {listener_.get()};
  std::vector<std::string> names = {"pvsched-deviced.socket"};
  for (const auto& [name, fd] : stored_) {
    fds.push_back(fd.get());
    names.push_back(name);
  }
  return [fds, names, notify = notify_] {
    constexpr int kFirst = 3;   // SD_LISTEN_FDS_START
    constexpr int kFree = 200;  // above all descriptors of the service
    std::vector<int> copies;
    for (const int fd : fds) copies.push_back(fcntl(fd, F_DUPFD_CLOEXEC, kFree));
    for (size_t i = 0; i < copies.size(); ++i) {
      dup2(copies[i], kFirst + static_cast<int>(i));
    }
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", std::to_string(fds.size()).c_str(), 1);
    setenv("LISTEN_FDNAMES", absl::StrJoin(names, ":").c_str(), 1);
    setenv("NOTIFY_SOCKET", notify.c_str(), 1);
    setenv("FDSTORE", "1024", 1);
  };
}

void FakeSystemd::SetNotifySocket() const { setenv("NOTIFY_SOCKET", notify_.c_str(), 1); }

size_t FakeSystemd::num_stored() const {
  const std::lock_guard lock(mutex_);
  return stored_.size();
}

}  // namespace pvsched
