// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_CONFIG_FILE_H_
#define PVSCHED_HOST_POLICY_DAEMON_CONFIG_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "host-policy/daemon/service_config.h"
#include "host-policy/daemon/tunable_store.h"
#include "host-policy/loader/scx_params.h"

namespace pvsched {

// Read if --config names no other file.
inline constexpr char kDefaultConfigPath[] = "/etc/pvsched/pvsched.toml";

struct Config {
  ServiceKeys service;
  TunableStore tunables;
  ScxParams scx_params;
};

// Reads a TOML file. Its tables are [pvschedd] for pvschedd's own keys, [host],
// [uid.USER] and [vm.NAME] for tunables, [profile.NAME] for sets of tunables,
// and [scx] for the scheduler's parameters. The error has a line of
// text for each fault, which names file and line.
absl::StatusOr<Config> LoadConfig(const std::string& path);

// The file and the options of a command line, which override the file.
struct ConfigSource {
  std::string path;  // empty: kDefaultConfigPath, if that exists
  ServiceKeys service;
  ScxParams scx_params;
};
// Reads the file alone, and checks it with the options. Without a file it checks the options.
absl::StatusOr<Config> LoadConfig(const ConfigSource& source);
Config WithOptions(Config file, const ConfigSource& source);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_CONFIG_FILE_H_
