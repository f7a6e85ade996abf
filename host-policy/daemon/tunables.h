// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_TUNABLES_H_
#define PVSCHED_HOST_POLICY_DAEMON_TUNABLES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host-policy/core/policy.h"

namespace pvsched {

// A value that an admin can set, for the host and for each VM. The table
// TunableInfos() is the only source of its name, unit, range and default: the
// configuration file, pvschedctl, its help and the documentation use it.
struct TunableInfo {
  absl::string_view name;
  absl::string_view unit;  // "ms" or "us"; empty for a count or a choice
  absl::string_view help;
  int64_t minimum;
  int64_t maximum;
  int64_t default_value;
  // The names of the values from 0 on; empty if the value is an integer.
  std::vector<absl::string_view> choices = {};
  bool is_host_only = false;  // a VM cannot have its own value
};
const std::vector<TunableInfo>& TunableInfos();

// The table for docs/, in Markdown.
std::string TunablesAsMarkdown();

// Values in the tunables' own units, in the order of TunableInfos().
using TunableValues = std::vector<int64_t>;
TunableValues DefaultTunables();
pvs_tunables ToPolicy(const TunableValues& values);
// The CPU time of a VM's boot boost under scx.
uint64_t BootBoostNs(const TunableValues& values);
// Sets the lowest severity that pvschedd logs.
void ApplyLogLevel(const TunableValues& values);

// The index of a name. The error lists the names.
absl::StatusOr<size_t> FindTunable(absl::string_view name);
// A value from text. The error names the range.
absl::StatusOr<int64_t> ParseTunable(const TunableInfo& info, absl::string_view text);
std::string FormatTunable(const TunableInfo& info, int64_t value);
// Rules between tunables, such as budget <= window. `actuator_priority` is the real-time priority
// of the thread that ends boosts: a vCPU at that priority or above could keep it off the CPU.
absl::Status CheckTunables(const TunableValues& values, int actuator_priority);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_TUNABLES_H_
