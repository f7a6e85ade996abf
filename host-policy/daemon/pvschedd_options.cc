// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/pvschedd_options.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/journal_log.h"
#include "common/standard_output.h"
#include "common/text_table.h"
#include "host-policy/daemon/service_config.h"
#include "host-policy/loader/scx_params.h"
#include "nlohmann/json.hpp"

namespace pvsched {
namespace {

constexpr char kList[] = "list";

constexpr char kDescription[] =
    "Schedules the vCPU threads of KVM guests by the urgency that the guests report.\n"
    "\n"
    "A guest's driver publishes the scheduling class of the task that each vCPU runs. pvschedd\n"
    "loads BPF programs that read it, decide within the caps and budgets of the VM, and boost or\n"
    "lower the vCPU's thread. It runs in the foreground, as root, until SIGTERM. Then each thread\n"
    "gets its own scheduling parameters back. pvschedctl shows what pvschedd does.";

// What ParseOptions() needs beside Options, while it parses.
struct Raw {
  std::vector<std::string> scx_params;
  bool as_json = false;
  bool as_markdown = false;
};

absl::Status SetScxParamFrom(ScxParams& params, absl::string_view assignment) {
  const std::pair<absl::string_view, absl::string_view> pair =
      absl::StrSplit(assignment, absl::MaxSplits('=', 1));
  return SetScxParam(params, pair.first, pair.second);
}

std::string CheckScxParam(std::string& assignment) {
  if (assignment == kList) return "";
  ScxParams ignored;
  const absl::Status status = SetScxParamFrom(ignored, assignment);
  return status.ok() ? ""
                     : absl::StrCat(status.message(), "; --scx-param list shows the parameters");
}

// The exit status after output that was asked for.
int FlushedStatus() {
  const absl::Status status = FlushStandardOutput();
  if (status.ok()) return 0;
  fprintf(stderr, "pvschedd: %s\n", std::string(status.message()).c_str());
  return 1;
}

// One option for each key of [pvschedd]. The last of several counts: pvschedd
// appends an option when it executes itself again.
void AddServiceOptions(CLI::App& app, ServiceKeys& keys) {
  for (const ServiceKeyInfo& info : ServiceKeyInfos()) {
    app.add_option_function<std::string>(
           "--" + info.name, [&keys, &info](const std::string& text) { keys[info.name] = text; },
           info.help)
        ->type_name(info.type)
        ->default_str(info.default_note.empty() ? info.default_value : info.default_note)
        ->take_last()
        ->check(CLI::Validator(
            [&info](std::string& text) { return std::string(info.check(text).message()); }, ""));
  }
}

void AddOtherOptions(CLI::App& app, Options& options, Raw& raw) {
  app.add_option(
      "--config", options.config.path,
      absl::StrCat("TOML file: the options above under [pvschedd], tunables under [host] and\n"
                   "[vm.NAME], parameters of the scheduler under [scx]. pvschedctl tunable list\n"
                   "and --scx-param list show the names.  [",
                   kDefaultConfigPath, ", if it exists]"));
  app.add_option("--scx-param", raw.scx_params,
                 "Set a parameter of the scheduler (actuator scx): NAME=VALUE. It overrides [scx]\n"
                 "in the file. list: print all parameters and exit.")
      ->allow_extra_args(false)
      ->check(CLI::Validator(CheckScxParam, "NAME=VALUE|list"));
  app.add_flag("--json", raw.as_json, "With --scx-param list: print JSON");
  app.add_flag("--markdown", raw.as_markdown, "With --scx-param list: print the reference table");
  app.add_flag("--restore", options.restore_only,
               "Restore the scheduling parameters that a killed pvschedd left changed, and exit");
}

}  // namespace

std::optional<int> ParseOptions(int argc, char** argv, Options& options) {
  Raw raw;
  CLI::App app(kDescription, "pvschedd");
  app.set_version_flag("--version", PVSCHED_VERSION_STRING);
  app.footer(
      "Examples:\n"
      "  pvschedd                                     keep the host's own scheduler\n"
      "  pvschedd --actuator scx,agent                be the host's scheduler where it works\n"
      "  pvschedd --scx-param list                    the scheduler's parameters");
  AddServiceOptions(app, options.config.service);
  AddOtherOptions(app, options, raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? FlushedStatus() : 2;
  }
  if (std::find(raw.scx_params.begin(), raw.scx_params.end(), kList) != raw.scx_params.end()) {
    const std::string list = raw.as_json       ? ScxParamsAsJson()
                             : raw.as_markdown ? ScxParamsAsMarkdown()
                                               : ScxParamsAsTable();
    fputs(list.c_str(), stdout);
    return FlushedStatus();
  }
  for (const std::string& assignment : raw.scx_params) {
    if (absl::Status status = SetScxParamFrom(options.config.scx_params, assignment);
        !status.ok()) {
      PrintError("pvschedd", status.message());
      return 2;
    }
  }
  return std::nullopt;
}

std::string ScxParamsAsTable() {
  std::vector<Row> rows = {{"NAME", "UNIT", "DEFAULT", "RANGE", "DESCRIPTION"}};
  for (const ScxParamInfo& info : ScxParamInfos()) {
    rows.push_back({info.name, info.unit, absl::StrCat(info.default_value),
                    absl::StrCat(info.minimum, "..", info.maximum), info.help});
  }
  return TextTable(rows);
}

std::string ScxParamsAsMarkdown() {
  std::string text =
      "| name | unit | default | range | description |\n| --- | --- | --- | --- | --- |\n";
  for (const ScxParamInfo& info : ScxParamInfos()) {
    absl::StrAppend(&text, "| ", info.name, " | ", info.unit, " | ", info.default_value, " | ",
                    info.minimum, "..", info.maximum, " | ", info.help, " |\n");
  }
  return text;
}

std::string ScxParamsAsJson() {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ScxParamInfo& info : ScxParamInfos()) {
    list.push_back({{"name", info.name},
                    {"unit", info.unit},
                    {"default", info.default_value},
                    {"minimum", info.minimum},
                    {"maximum", info.maximum},
                    {"help", info.help}});
  }
  return nlohmann::ordered_json{{"format", 1}, {"parameters", std::move(list)}}.dump(2) + "\n";
}

}  // namespace pvsched
