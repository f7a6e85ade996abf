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
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/admin_methods.h"
#include "host-policy/daemon/admin_tunables.h"
#include "host-policy/daemon/front.h"
#include "host-policy/daemon/refusals.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/daemon/running_config.h"
#include "host-policy/daemon/scx_exit_record.h"
#include "host-policy/daemon/varlink_server.h"
#include "host-policy/loader/bpf_object.h"
#include "nlohmann/json.hpp"

namespace pvsched {

// Serves pvschedctl and other programs by io.pvsched.Admin (admin_interface.c). Only root can
// connect to the admin socket; the socket for readers refuses what changes anything.
//
// Thread-safety: the event loop's thread only.
class AdminServer {
 public:
  // All must outlive the server.
  AdminServer(EventLoop& loop, Front& front, Registry& registry, BpfObject& bpf, Actuator& actuator,
              RunningConfig& config, const ScxExitRecord& scx_exits, const Refusals& refusals)
      : loop_(loop),
        front_(front),
        registry_(registry),
        bpf_(bpf),
        actuator_(actuator),
        tunables_(registry, config),
        scx_exits_(scx_exits),
        refusals_(refusals) {
    Offer(admins_);
    Offer(readers_);
  }

  absl::Status Listen(const std::string& path);
  // A second socket, for users who may read only.
  absl::Status ListenForReaders(const std::string& path);

 private:
  // Binds all methods to a socket's server.
  void Offer(VarlinkServer& server);
  template <AdminMethod kMethod>
  static int OnCall(sd_varlink* link, sd_json_variant* parameters, sd_varlink_method_flags_t flags,
                    void* server);
  int Answer(AdminMethod method, sd_varlink* link, sd_json_variant* parameters);
  absl::StatusOr<nlohmann::ordered_json> Handle(AdminMethod method, sd_varlink* link,
                                                const nlohmann::ordered_json& request);
  absl::Status LoadPolicy(sd_varlink* link, const nlohmann::ordered_json& request);
  nlohmann::ordered_json PolicyToJson() const;
  nlohmann::ordered_json VmsToJson() const;
  nlohmann::ordered_json VcpusToJson();
  nlohmann::ordered_json StatsToJson();
  bool IsScheduler() const;
  nlohmann::ordered_json SchedulerToJson() const;
  int StartTrace(sd_varlink* link);
  void OnClose(sd_varlink* link);
  void OnTrace(const pvs_trace& trace);
  void SendTrace(nlohmann::ordered_json decision);

  EventLoop& loop_;
  Front& front_;
  Registry& registry_;
  BpfObject& bpf_;
  Actuator& actuator_;
  AdminTunables tunables_;
  const ScxExitRecord& scx_exits_;
  const Refusals& refusals_;
  std::unique_ptr<BpfObject::Ring> trace_;  // while there are tracers
  // The decisions that each was too slow to read.
  std::map<sd_varlink*, uint64_t> tracers_;
  VarlinkServer admins_{
      loop_, {.takes_fds = true}, [this](sd_varlink* it) { OnClose(it); }, &front_};
  VarlinkServer readers_{loop_, {}, nullptr, &front_};
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ADMIN_SERVER_H_
