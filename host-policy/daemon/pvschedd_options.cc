// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/pvschedd_options.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/text_table.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/config_file.h"
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
  std::string mode = "0660";
  std::vector<std::string> scx_params;
  bool as_json = false;
  bool as_markdown = false;
};

std::string CheckMode(std::string& text) {
  const bool is_mode =
      !text.empty() && text.size() <= 4 && text.find_first_not_of("01234567") == std::string::npos;
  return is_mode ? std::string() : absl::StrCat("'", text, "' is no octal mode such as 0660");
}

std::string CheckActuatorList(std::string& names) {
  if (names == "auto") names = kAutoActuators;
  return std::string(CheckActuators(names).message());
}

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

void AddPathOptions(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--state-dir", options.state_dir,
                 "Directory of the sockets and of the saved scheduling parameters")
      ->capture_default_str();
  app.add_option("--device-socket", options.device_socket,
                 absl::StrCat("Socket for pvsched-device  [",
                              InDirectory("STATE_DIR", kDeviceSocketName), "]"));
  app.add_option("--device-socket-mode", raw.mode,
                 "Permissions of that socket, octal. A user who can connect can request boosts,\n"
                 "within the caps.")
      ->capture_default_str()
      ->check(CLI::Validator(CheckMode, "MODE"));
  app.add_option(
      "--admin-socket", options.admin_socket,
      absl::StrCat("Socket for pvschedctl  [", InDirectory("STATE_DIR", kAdminSocketName), "]"));
  app.add_option(
      "--config", options.config,
      absl::StrCat("TOML file: tunables under [host] and [vm.NAME], parameters of the\n"
                   "scheduler under [scx]. pvschedctl tunable list and --scx-param list\n"
                   "show the names.  [",
                   kDefaultConfigPath, ", if it exists]"));
}

void AddPolicyOptions(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--actuator", options.actuator.names,
                 "How grants are applied. The first that works on this host is used.\n"
                 "auto: kfunc,agent\n"
                 "scx: pvsched becomes the host's scheduler, by sched_ext\n"
                 "kfunc: inside the event, through the kernel module pvsched_host\n"
                 "agent: by a real-time thread of pvschedd")
      ->capture_default_str()
      ->take_last()
      ->transform(CLI::Validator(CheckActuatorList, "NAME[,NAME]"));
  app.add_option("--scx-param", raw.scx_params,
                 "Set a parameter of the scheduler (actuator scx): NAME=VALUE. It overrides [scx]\n"
                 "in the file. list: print all parameters and exit.")
      ->allow_extra_args(false)
      ->check(CLI::Validator(CheckScxParam, "NAME=VALUE|list"));
  app.add_flag("--json", raw.as_json, "With --scx-param list: print JSON");
  app.add_flag("--markdown", raw.as_markdown, "With --scx-param list: print the reference table");
  app.add_option("--policy", options.actuator.policy_path,
                 "BPF object with a policy that replaces the default policy")
      ->check(CLI::ExistingFile);
  app.add_option("--agent-priority", options.actuator.priority,
                 "SCHED_FIFO priority of the actuator's thread. It must be above every boost:\n"
                 "a boosted vCPU could otherwise keep the thread from ending the boost.")
      ->capture_default_str()
      ->check(CLI::Range(1, 99));
  app.add_flag("--restore", options.restore_only,
               "Restore the scheduling parameters that a killed pvschedd left changed, and exit");
}

void FillDefaults(Options& options) {
  if (options.device_socket.empty()) {
    options.device_socket = InDirectory(options.state_dir, kDeviceSocketName);
  }
  if (options.admin_socket.empty()) {
    options.admin_socket = InDirectory(options.state_dir, kAdminSocketName);
  }
  if (options.config.empty() && access(kDefaultConfigPath, F_OK) == 0) {
    options.config = kDefaultConfigPath;
  }
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
  AddPathOptions(app, options, raw);
  AddPolicyOptions(app, options, raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (std::find(raw.scx_params.begin(), raw.scx_params.end(), kList) != raw.scx_params.end()) {
    const std::string list = raw.as_json       ? ScxParamsAsJson()
                             : raw.as_markdown ? ScxParamsAsMarkdown()
                                               : ScxParamsAsTable();
    fputs(list.c_str(), stdout);
    return 0;
  }
  for (const std::string& assignment : raw.scx_params) {
    if (absl::Status status = SetScxParamFrom(options.scx_params, assignment); !status.ok()) {
      fprintf(stderr, "pvschedd: %s\n", std::string(status.message()).c_str());
      return 2;
    }
  }
  options.device_socket_mode = static_cast<mode_t>(std::stoul(raw.mode, nullptr, 8));
  FillDefaults(options);
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
  return list.dump(2) + "\n";
}

}  // namespace pvsched
