// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/observe_commands.h"

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "common/errno_status.h"
#include "common/paths.h"
#include "host-policy/ctl/doctor.h"
#include "host-policy/ctl/json_output.h"
#include "host-policy/ctl/metrics.h"

namespace pvsched {
namespace {

absl::Status Metrics(const Invocation& run) {
  ASSIGN_OR_RETURN(const Json stats, AdminClient(run.socket_path).Ask(AdminMethod::kGetStats));
  const std::string text =
      MetricsText(stats, run.as_textfile ? MetricsFormat::kTextfile : MetricsFormat::kOpenMetrics);
  if (!run.path.empty()) return ReplaceFile(run.path, text);
  fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

absl::Status Doctor(const Invocation& run) {
  const std::string directory = std::filesystem::path(run.socket_path).parent_path();
  const std::vector<Finding> findings =
      Examine(ReadHost(run.socket_path, InDirectory(directory, kDeviceSocketName)));
  fputs(
      (run.as_json ? JsonText(WithFormat(FindingsJson(findings))) : FindingsText(findings)).c_str(),
      stdout);
  if (!HasMissing(findings)) return absl::OkStatus();
  return absl::FailedPreconditionError("this host lacks what pvsched needs");
}

}  // namespace

void AddObserveCommands(CLI::App& app, Invocation& run) {
  CLI::App* metrics =
      app.add_subcommand("metrics", "The counters for a monitoring system, as OpenMetrics");
  metrics->add_flag("--textfile", run.as_textfile,
                    "The format that node_exporter's textfile collector reads");
  metrics->add_option("-o,--output", run.path, "Replace this file in one step instead of printing");
  metrics->final_callback([&run] { run.status = Metrics(run); });
  app.add_subcommand("doctor",
                     "What this host has and lacks, what that costs and what to do. Needs neither "
                     "pvschedd nor root, but sees more with both.")
      ->final_callback([&run] { run.status = Doctor(run); });
}

}  // namespace pvsched
