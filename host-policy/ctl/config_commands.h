// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_CONFIG_COMMANDS_H_
#define PVSCHED_HOST_POLICY_CTL_CONFIG_COMMANDS_H_

#include <string>

#include "absl/status/status.h"

namespace pvsched {

// The commands of `pvschedctl config`, which need no pvschedd. Results go to
// standard output.
//
// Checks the file at `path`, or the default file if `path` is empty. The error
// names file and line.
absl::Status CheckConfig(const std::string& path);
void PrintDefaultConfig();

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_CONFIG_COMMANDS_H_
