// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/config_commands.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "host-policy/daemon/config_file.h"
#include "host-policy/daemon/config_text.h"

namespace pvsched {
namespace {

// Checks the file at `path`, or the default file if `path` is empty.
absl::Status CheckConfig(const std::string& path) {
  const std::string file = path.empty() ? kDefaultConfigPath : path;
  if (path.empty() && access(kDefaultConfigPath, F_OK) != 0) {
    printf("%s does not exist: the defaults hold\n", kDefaultConfigPath);
    return absl::OkStatus();
  }
  const absl::Status status = LoadConfig(file).status();
  if (status.ok()) printf("%s: no errors\n", file.c_str());
  // Not InvalidArgument, which stands for wrong usage of pvschedctl.
  return status.ok() ? status : absl::FailedPreconditionError(status.message());
}

void PrintDefaultConfig() { fputs(DefaultConfigText().c_str(), stdout); }

}  // namespace

void AddConfigCommands(CLI::App& app, Invocation& run) {
  CLI::App* config =
      AddGroup(app, "config", "The configuration file of pvschedd, which need not run");
  CLI::App* check = config->add_subcommand("check", "Check a file: each error has file and line");
  check->add_option("FILE", run.path,
                    absl::StrCat("The file  [", kDefaultConfigPath, ", if it exists]"));
  check->final_callback([&run] { run.status = CheckConfig(run.path); });
  config->add_subcommand("default", "Print a file with every key, its meaning and its default")
      ->final_callback(PrintDefaultConfig);
}

}  // namespace pvsched
