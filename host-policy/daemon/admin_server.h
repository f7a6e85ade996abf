// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
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
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/admin_tunables.h"
#include "host-policy/daemon/line_server.h"
#include "host-policy/daemon/refusals.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/daemon/running_config.h"
#include "host-policy/daemon/scx_exit_record.h"
#include "host-policy/loader/bpf_object.h"
#include "nlohmann/json.hpp"

namespace pvsched {

// Serves pvschedctl. A connection carries one request, a line of JSON such as
// {"command": "tunable set", "name": "budget", "value": "500"}. The reply is a
// line of JSON with either "result" or "error". After "trace", a line for each
// decision follows until the client closes the connection. Only root can
// connect; the socket for readers refuses what changes anything.
//
// Thread-safety: the event loop's thread only.
class AdminServer {
 public:
  // All must outlive the server.
  AdminServer(EventLoop& loop, Registry& registry, BpfObject& bpf, Actuator& actuator,
              RunningConfig& config, const ScxExitRecord& scx_exits, const Refusals& refusals)
      : loop_(loop),
        registry_(registry),
        bpf_(bpf),
        actuator_(actuator),
        tunables_(registry, config),
        scx_exits_(scx_exits),
        refusals_(refusals) {}
  ~AdminServer();

  absl::Status Listen(const std::string& path);
  // A second socket, for users who may read only.
  absl::Status ListenForReaders(const std::string& path);

 private:
  struct Tracer {
    UniqueFd fd;
    uint64_t dropped = 0;  // decisions that the client was too slow to read
  };

  LineServer::Reply Answer(const std::string& text, bool is_reader);
  absl::StatusOr<nlohmann::ordered_json> Handle(const nlohmann::ordered_json& request);
  absl::Status LoadPolicy(const nlohmann::ordered_json& request);
  nlohmann::ordered_json PolicyToJson() const;
  nlohmann::ordered_json VmsToJson() const;
  nlohmann::ordered_json VcpusToJson();
  nlohmann::ordered_json StatsToJson();
  bool IsScheduler() const;
  nlohmann::ordered_json SchedulerToJson() const;
  void StartTrace(UniqueFd fd);
  void StopTrace(int fd);
  void OnTrace(const pvs_trace& trace);

  EventLoop& loop_;
  Registry& registry_;
  BpfObject& bpf_;
  Actuator& actuator_;
  AdminTunables tunables_;
  const ScxExitRecord& scx_exits_;
  const Refusals& refusals_;
  LineServer admins_{loop_, [this](const std::string& text) { return Answer(text, false); }};
  LineServer readers_{loop_, [this](const std::string& text) { return Answer(text, true); }};
  std::unique_ptr<BpfObject::Ring> trace_;  // while there are tracers
  std::map<int, Tracer> tracers_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ADMIN_SERVER_H_
