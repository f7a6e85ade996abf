// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_ADMIN_SERVER_H_
#define PVSCHED_HOST_POLICY_DAEMON_ADMIN_SERVER_H_

#include <string>

#include "absl/status/status.h"
#include "host-policy/daemon/agent.h"
#include "host-policy/daemon/event_loop.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/loader/programs.h"
#include "vmm-device/unique_fd.h"

namespace pvsched {

// Answers pvschedctl: one request a connection, a line of JSON such as
// {"command": "vcpu list"}; the answer is a line of JSON too, with either
// "result" or "error" in it. The socket is root's alone.
//
// Thread-safety: the event loop's thread only.
class AdminServer {
 public:
  // All must outlive the server.
  AdminServer(EventLoop& loop, Registry& registry, Programs& programs, Agent& agent)
      : loop_(loop), registry_(registry), programs_(programs), agent_(agent) {}
  ~AdminServer();

  absl::Status Listen(const std::string& path);

 private:
  void Accept();
  std::string Answer(const std::string& request);

  EventLoop& loop_;
  Registry& registry_;
  Programs& programs_;
  Agent& agent_;
  std::string path_;
  UniqueFd listener_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ADMIN_SERVER_H_
