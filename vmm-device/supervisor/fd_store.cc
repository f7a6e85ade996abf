// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/supervisor/fd_store.h"

#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"

namespace pvsched {
namespace {

using std::chrono::duration;
using std::chrono::microseconds;

// A VM causes some ten changes when it starts, and few later. process 1 handles
// some ten thousand messages a second.
constexpr double kMaxBurst = 256;
constexpr double kPerSecond = 1000;
constexpr long kRetryNs = 10'000'000;
constexpr microseconds kBarrierTimeout{1'000'000};

}  // namespace

FdStore::FdStore(EventLoop* loop)
    : loop_(loop),
      is_available_(getenv("NOTIFY_SOCKET") != nullptr && getenv("FDSTORE") != nullptr),
      tokens_(kMaxBurst),
      refilled_(Clock::now()) {
  if (!is_available_) return;
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const absl::Status added = loop_->Add(timer_.get(), [this] { SendSome(); });
  LOG_IF(ERROR, !added.ok()) << "timer of the descriptor store: " << added.message();
}

FdStore::~FdStore() {
  if (timer_) loop_->Remove(timer_.get());
}

void FdStore::Keep(const std::string& name, int fd) { Change(name, fd); }

void FdStore::Forget(const std::string& name) { Change(name, -1); }

void FdStore::Change(const std::string& name, int fd) {
  if (!is_available_) return;
  if (pending_.insert_or_assign(name, fd).second) order_.push_back(name);
  SendSome();
}

void FdStore::Refill() {
  const Clock::time_point now = Clock::now();
  tokens_ = std::min(kMaxBurst, tokens_ + duration<double>(now - refilled_).count() * kPerSecond);
  refilled_ = now;
}

void FdStore::SendSome() {
  uint64_t expirations;
  (void)!read(timer_.get(), &expirations, sizeof(expirations));
  Refill();
  for (; !order_.empty() && tokens_ >= 1; --tokens_) SendOne();
  if (order_.empty()) return;
  const itimerspec once{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = kRetryNs}};
  timerfd_settime(timer_.get(), 0, &once, nullptr);
}

void FdStore::SendOne() {
  const std::string name = std::move(order_.front());
  order_.pop_front();
  const int fd = pending_.extract(name).mapped();
  int result = 0;
  if (stored_.erase(name) > 0) {
    result =
        sd_notify(/*unset_environment=*/0, absl::StrCat("FDSTOREREMOVE=1\nFDNAME=", name).c_str());
  }
  if (fd >= 0) {
    // Without FDPOLL=0 systemd forgets the socket of a VM that has ended, but not the rest.
    result =
        sd_pid_notify_with_fds(/*pid=*/0, /*unset_environment=*/0,
                               absl::StrCat("FDSTORE=1\nFDPOLL=0\nFDNAME=", name).c_str(), &fd, 1);
    stored_.insert(name);
  }
  LOG_IF_EVERY_N_SEC(WARNING, result < 0, 10)
      << "the descriptor store does not take " << name << ": " << strerror(-result);
}

void FdStore::Flush() {
  while (!order_.empty()) SendOne();
  if (!is_available_) return;
  if (const int result = sd_notify_barrier(/*unset_environment=*/0, kBarrierTimeout.count());
      result < 0) {
    LOG(WARNING) << "systemd has not confirmed the descriptor store: " << strerror(-result);
  }
}

std::vector<std::pair<std::string, UniqueFd>> TakeInheritedFds() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(/*unset_environment=*/1, &names);
  std::vector<std::pair<std::string, UniqueFd>> fds;
  for (int i = 0; i < count; ++i) {
    fds.emplace_back(names[i], UniqueFd(SD_LISTEN_FDS_START + i));
    free(names[i]);
  }
  free(static_cast<void*>(names));
  return fds;
}

}  // namespace pvsched
