// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_SERVICE_CONFIG_H_
#define PVSCHED_HOST_POLICY_DAEMON_SERVICE_CONFIG_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "host-policy/daemon/control_limits.h"

namespace pvsched {

// A key of the table [pvschedd] in the configuration file. The option of the
// same name overrides it. It is read at the start only.
struct ServiceKeyInfo {
  std::string name;
  std::string type;           // "FILE"
  std::string default_value;  // as text; empty: none
  std::string default_note;   // what help prints instead of `default_value`
  std::string help;
  absl::Status (*check)(const std::string& text);
  bool is_integer = false;
  bool is_path = false;
};
const std::vector<ServiceKeyInfo>& ServiceKeyInfos();
// nullptr: there is no such key.
const ServiceKeyInfo* FindServiceKey(absl::string_view name);

// The device socket's group if no key names another. A host need not have it.
inline constexpr char kDefaultSocketGroup[] = "pvsched";

// Checked texts by key, of the keys that were set.
using ServiceKeys = std::map<std::string, std::string, std::less<>>;
// The error says what the key needs.
absl::Status SetServiceKey(ServiceKeys& keys, absl::string_view name, const std::string& text);

// All keys, with defaults for those that were not set.
struct ServiceConfig {
  std::string state_dir;
  std::string device_socket;
  mode_t device_socket_mode = 0;
  std::optional<std::string> device_socket_group;  // empty: none; not set: kDefaultSocketGroup
  std::string admin_socket;
  std::string read_socket;
  std::string read_socket_group;  // empty: pvschedd's own
  std::string actuators;
  std::string policy;  // empty: the default policy
  int agent_priority = 0;
  std::string small_cpus;
  ControlLimits limits;

  bool operator==(const ServiceConfig&) const = default;
};
ServiceConfig ToServiceConfig(const ServiceKeys& keys);
// The lowest real-time priority of the threads that may have to end boosts. It counts the actuators
// that follow if scx ends.
int ActuatorPriority(const ServiceConfig& config);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_SERVICE_CONFIG_H_
