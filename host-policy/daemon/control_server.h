// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_CONTROL_SERVER_H_
#define PVSCHED_HOST_POLICY_DAEMON_CONTROL_SERVER_H_

#include <sys/types.h>

#include <map>
#include <string>

#include "absl/status/status.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"
#include "common/unix_socket.h"
#include "host-policy/daemon/refusals.h"
#include "host-policy/daemon/registry.h"
#include "pvsched_control.h"

namespace pvsched {

// Serves the protocol of pvsched_control.h, by which devices register the
// records of their VM. A malformed message ends its connection, and with it the
// registrations that came over it.
//
// Thread-safety: the event loop's thread only.
class ControlServer {
 public:
  // Both must outlive the server.
  ControlServer(EventLoop& loop, Registry& registry) : loop_(loop), registry_(registry) {}
  ~ControlServer();

  // `mode` decides which users can register records, and so ask for boosts.
  absl::Status Listen(const std::string& path, mode_t mode);

  // What was refused to devices since the start.
  const Refusals& refusals() const { return refusals_; }

 private:
  struct Connection {
    UniqueFd fd;
    uid_t peer;
    Vm* vm = nullptr;  // after HELLO
  };

  void Accept();
  void OnReadable(int fd);
  absl::Status Handle(Connection& connection, const pvsched_control_msg& request, UniqueFd passed);
  void CloseEnded();
  void Close(int fd);

  EventLoop& loop_;
  Registry& registry_;
  std::string path_;
  UniqueFd listener_;
  Acceptor acceptor_;
  std::map<int, Connection> connections_;
  Refusals refusals_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_CONTROL_SERVER_H_
