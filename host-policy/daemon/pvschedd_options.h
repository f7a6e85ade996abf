// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_PVSCHEDD_OPTIONS_H_
#define PVSCHED_HOST_POLICY_DAEMON_PVSCHEDD_OPTIONS_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "common/paths.h"
#include "host-policy/daemon/actuators/selection.h"
#include "host-policy/loader/scx_params.h"

namespace pvsched {

struct Options {
  std::string state_dir{kDefaultStateDir};
  std::string device_socket;
  mode_t device_socket_mode = 0660;
  std::string admin_socket;
  std::string config;  // empty: none
  ActuatorOptions actuator;
  ScxParams scx_params;  // of the command line; they override the file's
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
