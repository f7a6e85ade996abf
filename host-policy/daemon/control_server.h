// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_CONTROL_SERVER_H_
#define PVSCHED_HOST_POLICY_DAEMON_CONTROL_SERVER_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"
#include "common/unix_socket.h"
#include "host-policy/daemon/control_limits.h"
#include "host-policy/daemon/front.h"
#include "host-policy/daemon/front_protocol.h"
#include "host-policy/daemon/log_quota.h"
#include "host-policy/daemon/refusals.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/daemon/vmm_identity.h"
#include "pvsched_control.h"

namespace pvsched {

// Serves the protocol of pvsched_control.h, by which devices register the
// records of their VM. A malformed message ends its connection, and with it the
// registrations that came over it. A connection that does not get a VM in time is
// closed.
//
// Thread-safety: the event loop's thread only.
class ControlServer {
 public:
  // All must outlive the server.
  ControlServer(EventLoop& loop, Front& front, Registry& registry, const ControlLimits& limits)
      : loop_(loop), front_(front), registry_(registry), limits_(limits) {}
  ~ControlServer();

  // `mode` decides which users can register records, and so ask for boosts.
  absl::Status Listen(const std::string& path, mode_t mode);

  // What was refused to devices since the start.
  const Refusals& refusals() const { return refusals_; }

 private:
  using Clock = std::chrono::steady_clock;

  struct Connection {
    UniqueFd fd;  // to the front process, which forwards
    uid_t peer;
    uint64_t number = 0;  // in the order of their arrival
    Clock::time_point deadline;
    Vm* vm = nullptr;  // after HELLO
  };

  void Accept();
  // Closes the oldest connection without a VM if there are too many.
  void MakeRoom(uid_t peer);
  // Closes the connection unless its HELLO has just arrived. Tells the device `why`.
  void CloseWithoutVm(int fd, absl::string_view why);
  void OnTimer();
  void ArmTimer();
  void OnReadable(int fd);
  absl::Status Handle(Connection& connection, const pvsched_control_msg& request, PassedFd passed);
  void CloseEnded();
  void Close(int fd);

  EventLoop& loop_;
  Front& front_;
  Registry& registry_;
  const ControlLimits limits_;
  std::string path_;
  UniqueFd listener_;
  Acceptor acceptor_;
  UniqueFd timer_;  // the deadline of the oldest connection without a VM
  uint64_t accepted_ = 0;
  std::map<int, Connection> connections_;
  std::map<uint64_t, int> without_vm_;  // number -> descriptor
  Refusals refusals_;
  LogQuota log_quota_{8, 1};
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_CONTROL_SERVER_H_
