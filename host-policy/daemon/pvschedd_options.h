// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_PVSCHEDD_OPTIONS_H_
#define PVSCHED_HOST_POLICY_DAEMON_PVSCHEDD_OPTIONS_H_

#include <optional>
#include <string>

#include "host-policy/daemon/config_file.h"

namespace pvsched {

struct Options {
  ConfigSource config;
  bool restore_only = false;
};

// Parses the command line. Returns the exit status if the process is to exit
// now, as after --help or an error.
std::optional<int> ParseOptions(int argc, char** argv, Options& options);

// The parameters of the scheduler, for --scx-param list.
std::string ScxParamsAsTable();
std::string ScxParamsAsMarkdown();
std::string ScxParamsAsJson();

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_PVSCHEDD_OPTIONS_H_
