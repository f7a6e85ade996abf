// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_SUPERVISOR_FD_STORE_H_
#define PVSCHED_VMM_DEVICE_SUPERVISOR_FD_STORE_H_

#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"

namespace pvsched {

// Descriptors that systemd holds while the service restarts
// (FileDescriptorStoreMax= in systemd.service(5)). Messages to systemd are
// limited by rate, because VMs cause them. For the event loop's thread.
class FdStore {
 public:
  // Uses the store of $NOTIFY_SOCKET if $FDSTORE says that there is one.
  explicit FdStore(EventLoop* loop);
  ~FdStore();
  FdStore(const FdStore&) = delete;
  FdStore& operator=(const FdStore&) = delete;

  // False: nothing is kept, and all methods do nothing.
  bool is_available() const { return is_available_; }

  // Says that systemd holds a descriptor of this name already: the last process
  // has kept it.
  void Adopt(const std::string& name) { stored_.insert(name); }

  // Keeps `fd`, in place of another of this name. `name` has printable ASCII
  // without ':', 255 bytes at most. `fd` is borrowed until Forget(name), or until
  // the next Keep(name).
  void Keep(const std::string& name, int fd);
  void Forget(const std::string& name);

  // Sends what is pending, without a limit, and waits until systemd has read it.
  void Flush();

 private:
  using Clock = std::chrono::steady_clock;

  void Change(const std::string& name, int fd);
  void SendSome();
  void SendOne();
  void Refill();

  EventLoop* const loop_;
  const bool is_available_;
  UniqueFd timer_;
  std::set<std::string> stored_;        // names that systemd holds
  std::map<std::string, int> pending_;  // name -> descriptor; -1: to be forgotten
  std::deque<std::string> order_;       // the keys of pending_, oldest first
  double tokens_;                       // changes that may be sent now
  Clock::time_point refilled_;
};

// The descriptors that systemd passes to a service, with their names. They have
// close-on-exec.
std::vector<std::pair<std::string, UniqueFd>> TakeInheritedFds();

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_SUPERVISOR_FD_STORE_H_
