// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ADMIN_TUNABLES_H_
#define PVSCHED_HOST_POLICY_DAEMON_ADMIN_TUNABLES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host-policy/daemon/admin_methods.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/daemon/running_config.h"
#include "nlohmann/json.hpp"

namespace pvsched {

// Answers the methods for tunables and profiles. A request is for the VM of its field "vm",
// for the VMs of the user "uid", or for the host. A VM that neither runs nor has a section is
// refused, unless the request has "future". Errors are those of AsAdminError().
//
// Thread-safety: the event loop's thread only.
class AdminTunables {
 public:
  // Both must outlive the object.
  AdminTunables(const Registry& registry, RunningConfig& config)
      : registry_(registry), config_(config) {}

  // `method` is one of those whose name has "Tunable" or "Profile".
  absl::StatusOr<nlohmann::ordered_json> Handle(AdminMethod method,
                                                const nlohmann::ordered_json& request);

 private:
  absl::StatusOr<TunableScope> ScopeOf(const nlohmann::ordered_json& request) const;
  absl::Status Set(const TunableScope& scope, const nlohmann::ordered_json& request);
  absl::Status SetProfile(const TunableScope& scope, const std::string& profile);
  absl::Status Reset(const TunableScope& scope, const nlohmann::ordered_json& request);
  // Whether these values would hold for a running VM of the scope, if it runs.
  absl::Status CheckEffect(const TunableScope& scope, const TunableStore& changed,
                           const TunableMap& values) const;
  nlohmann::ordered_json List(const TunableScope& scope) const;
  nlohmann::ordered_json Profiles() const;

  const Registry& registry_;
  RunningConfig& config_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ADMIN_TUNABLES_H_
