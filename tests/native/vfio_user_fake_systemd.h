// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_VFIO_USER_FAKE_SYSTEMD_H_
#define PVSCHED_TESTS_NATIVE_VFIO_USER_FAKE_SYSTEMD_H_

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "common/unique_fd.h"

namespace pvsched {

// The descriptor store of systemd, for a service that may end and start again. As
// systemd it refuses a second copy of a descriptor. Serves the service's messages in
// its own thread. Thread-safe.
class FakeSystemd {
 public:
  // `notify` is the path of its socket; `listener` is passed to the service.
  FakeSystemd(const std::string& notify, UniqueFd listener);
  ~FakeSystemd();
  FakeSystemd(const FakeSystemd&) = delete;
  FakeSystemd& operator=(const FakeSystemd&) = delete;

  // For the new process of the service: gives it all descriptors.
  std::function<void()> Prepare() const;
  // For the process of a service that has no descriptors.
  void SetNotifySocket() const;

  // Whether a service has said so.
  bool is_ready() const { return is_ready_; }

  size_t num_stored() const;

 private:
  void Serve();
  void Handle(const std::string& message, UniqueFd fd);
  bool IsStored(int fd) const;

  const std::string notify_;
  const UniqueFd listener_;
  UniqueFd socket_;
  mutable std::mutex mutex_;
  std::multimap<std::string, UniqueFd> stored_;
  std::atomic<bool> is_ready_ = false;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_VFIO_USER_FAKE_SYSTEMD_H_
