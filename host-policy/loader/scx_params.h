// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_SCX_PARAMS_H_
#define PVSCHED_HOST_POLICY_LOADER_SCX_PARAMS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "host-policy/loader/topology.h"

struct bpf_object;

namespace pvsched {

// A constant of the scheduler that an admin may set when pvschedd starts: a `const volatile`
// pvs_param_* of the scheduler's BPF object. The values here are in `unit`.
struct ScxParamInfo {
  std::string name;  // as on the command line: "slice-max"
  std::string unit;  // "us", "ms", or what a count counts
  std::string help;
  int64_t minimum = 0;
  int64_t maximum = 0;
  int64_t default_value = 0;  // read from the BPF object, which alone defines it
};
const std::vector<ScxParamInfo>& ScxParamInfos();

// Only the parameters that were set, by name.
using ScxParams = std::map<std::string, int64_t>;

// What an admin may set of the scheduler.
struct ScxSettings {
  ScxParams params;
  std::string small_cpus = kAutoSmallCpus;  // as for ReadTopology()
};

// Adds a parameter; the error names the parameter and its bounds.
absl::Status SetScxParam(ScxParams& params, absl::string_view name, absl::string_view text);

// Writes the parameters into a scheduler's object that is opened and not loaded.
absl::Status ApplyScxParams(const ScxParams& params, const bpf_object& scheduler);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_SCX_PARAMS_H_
