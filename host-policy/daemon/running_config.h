// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_RUNNING_CONFIG_H_
#define PVSCHED_HOST_POLICY_DAEMON_RUNNING_CONFIG_H_

#include "absl/status/status.h"
#include "host-policy/daemon/config_file.h"
#include "host-policy/daemon/registry.h"

namespace pvsched {

// The configuration of a running pvschedd: what holds until its restart, and
// the tunables, which change meanwhile.
//
// Thread-safety: the event loop's thread only.
class RunningConfig {
 public:
  // `started` is what `source` gave when pvschedd started. `registry` must
  // outlive the object.
  RunningConfig(ConfigSource source, Config started, Registry& registry);

  // Reads the file again. Its tunables are in force at once, in place of all
  // that were set since. A warning names each other key that has changed: it
  // keeps its value until a restart. A faulty file changes nothing.
  absl::Status Reload();

 private:
  const ConfigSource source_;
  const Config started_;
  Registry& registry_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_RUNNING_CONFIG_H_
