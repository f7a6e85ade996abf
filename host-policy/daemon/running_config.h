// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_RUNNING_CONFIG_H_
#define PVSCHED_HOST_POLICY_DAEMON_RUNNING_CONFIG_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "host-policy/daemon/config_file.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/daemon/tunable_store.h"

namespace pvsched {

// The configuration of a running pvschedd: what holds until its restart, and
// the tunables, which change meanwhile.
//
// Thread-safety: the event loop's thread only.
class RunningConfig {
 public:
  // `file` is the file of `source` when pvschedd started. `registry` must
  // outlive the object.
  RunningConfig(ConfigSource source, Config file, Registry& registry);

  // Reads the file again. Its tunables are in force at once, in place of all
  // that were set since. A warning names each other key that has changed: it
  // keeps its value until a restart. A faulty file changes nothing.
  absl::Status Reload();

  // Changes tunables until the next reload. A change is refused, and changes
  // nothing, if it breaks a rule of CheckTunables() for any VM.
  absl::Status Set(const TunableScope& scope, absl::string_view name, absl::string_view text);
  // The scope's own values of the profile's tunables end.
  absl::Status SetProfile(const TunableScope& scope, absl::string_view profile);
  // Makes one value, or all of the scope's, what the file says.
  absl::Status Reset(const TunableScope& scope, std::optional<size_t> tunable);
  absl::Status ResetAll() { return registry_.SetTunables(file_.tunables); }

  // A configuration file with the tunables in force, and the other keys as the
  // file has them.
  std::string Save() const;
  const TunableStore& tunables() const { return registry_.tunables(); }

 private:
  absl::Status Apply(TunableStore changed);

  const ConfigSource source_;
  const Config started_;
  Config file_;  // as last read
  Registry& registry_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_RUNNING_CONFIG_H_
