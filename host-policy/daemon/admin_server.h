// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_ADMIN_SERVER_H_
#define PVSCHED_HOST_POLICY_DAEMON_ADMIN_SERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"
#include "common/unix_socket.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/daemon/scx_exit_record.h"
#include "host-policy/loader/bpf_object.h"
#include "nlohmann/json.hpp"

namespace pvsched {

// Answers pvschedctl: one request a connection, a line of JSON such as
// {"command": "tunable set", "name": "budget", "value": "500"}; the answer is a
// line of JSON too, with either "result" or "error" in it. After "trace" a line
// for each decision follows until the client closes. The socket is root's alone.
//
// Thread-safety: the event loop's thread only.
class AdminServer {
 public:
  // All must outlive the server.
  AdminServer(EventLoop& loop, Registry& registry, BpfObject& programs, Actuator& actuator,
              const ScxExitRecord& scheduler_ends)
      : loop_(loop),
        registry_(registry),
        bpf_(programs),
        actuator_(actuator),
        scheduler_ends_(scheduler_ends) {}
  ~AdminServer();

  absl::Status Listen(const std::string& path);

 private:
  struct Tracer {
    UniqueFd fd;
    uint64_t dropped = 0;  // lines that the client was too slow for
  };

  void Accept();
  absl::StatusOr<nlohmann::ordered_json> Handle(const nlohmann::ordered_json& request);
  nlohmann::ordered_json SchedulerToJson() const;
  nlohmann::ordered_json TunablesToJson(const std::string& vm) const;
  void StartTrace(UniqueFd fd);
  void StopTrace(int fd);
  void OnTrace(const pvs_trace& trace);

  EventLoop& loop_;
  Registry& registry_;
  BpfObject& bpf_;
  Actuator& actuator_;
  const ScxExitRecord& scheduler_ends_;
  std::string path_;
  UniqueFd listener_;
  Acceptor acceptor_;
  std::unique_ptr<BpfObject::Ring> trace_;  // while there are tracers
  std::map<int, Tracer> tracers_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ADMIN_SERVER_H_
