// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/config_commands.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "host-policy/ctl/json_output.h"
#include "host-policy/daemon/config_file.h"
#include "host-policy/daemon/config_text.h"

namespace pvsched {
namespace {

// Checks the file that is named, or else the default file, if that exists.
absl::Status CheckConfig(const Invocation& run) {
  const std::string file = run.path.empty() ? kDefaultConfigPath : run.path;
  const bool exists = !run.path.empty() || access(kDefaultConfigPath, F_OK) == 0;
  if (exists) {
    const absl::Status status = LoadConfig(file).status();
    // Not InvalidArgument, which stands for wrong usage of pvschedctl.
    if (!status.ok()) return absl::FailedPreconditionError(status.message());
  }
  if (run.as_json) {
    fputs(JsonText(WithFormat({{"file", file}, {"exists", exists}})).c_str(), stdout);
  } else {
    printf("%s%s\n", file.c_str(), exists ? ": no errors" : " does not exist: the defaults hold");
  }
  return absl::OkStatus();
}

void PrintDefaultConfig() { fputs(DefaultConfigText().c_str(), stdout); }

}  // namespace

void AddConfigCommands(CLI::App& app, Invocation& run) {
  CLI::App* config =
      AddGroup(app, "config", "The configuration file of pvschedd, which need not run");
  CLI::App* check = config->add_subcommand("check", "Check a file: each error has file and line");
  check->add_option("FILE", run.path,
                    absl::StrCat("The file  [", kDefaultConfigPath, ", if it exists]"));
  check->final_callback([&run] { run.status = CheckConfig(run); });
  config->add_subcommand("default", "Print a file with every key, its meaning and its default")
      ->final_callback(PrintDefaultConfig);
}

}  // namespace pvsched
