// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/daemon/options.h"

#include <grp.h>

#include <map>
#include <string>

#include "absl/log/globals.h"
#include "absl/log/initialize.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/journal_log.h"
#include "pvsched_control.h"
#include "vmm-device/durable/state_image.h"

namespace pvsched {
namespace {

std::string CheckName(const std::string& name) {
  constexpr size_t kMaxName = sizeof(pvsched_control_msg::text) - 1;
  if (name.size() <= kMaxName) return {};
  return absl::StrCat("a name has at most ", kMaxName, " bytes");
}

// Replaces an octal mode by its decimal value.
std::string ParseMode(std::string& text) {
  const bool is_mode = !text.empty() && text.size() <= 4 &&
                       text.find_first_not_of("01234567") == std::string::npos &&
                       std::stoul(text, nullptr, 8) <= 0777;
  if (!is_mode) return absl::StrCat("'", text, "' is no octal mode such as 0660");
  text = std::to_string(std::stoul(text, nullptr, 8));
  return {};
}

// Replaces a group's name by its number.
std::string ParseGroup(std::string& text) {
  if (gid_t gid; absl::SimpleAtoi(text, &gid)) return {};
  const group* entry = getgrnam(text.c_str());
  if (entry == nullptr) return absl::StrCat("this host has no group '", text, "'");
  text = std::to_string(entry->gr_gid);
  return {};
}

const std::map<std::string, absl::LogSeverityAtLeast>& LogLevels() {
  static const std::map<std::string, absl::LogSeverityAtLeast> kLevels = {
      {"error", absl::LogSeverityAtLeast::kError},
      {"warning", absl::LogSeverityAtLeast::kWarning},
      {"info", absl::LogSeverityAtLeast::kInfo},
      {"debug", absl::LogSeverityAtLeast::kInfo}};
  return kLevels;
}

}  // namespace

void AddSocketAccessOptions(CLI::App& app, VfioUserListener::Access& access) {
  app.add_option("--socket-group", access.group, "Group of the socket's file")
      ->type_name("GROUP")
      ->transform(CLI::Validator(ParseGroup, ""));
  app.add_option("--socket-mode", access.mode,
                 "Permissions of the socket's file, octal; by default those of the umask")
      ->type_name("MODE")
      ->transform(CLI::Validator(ParseMode, ""));
}

void AddLogLevelOption(CLI::App& app, std::string& level) {
  app.add_option("--log-level", level,
                 "Lowest severity that is logged: error, warning, info or debug")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"error", "warning", "info", "debug"}))
      ->capture_default_str();
}

void AddHelloTimeoutOption(CLI::App& app, uint32_t& timeout_ms) {
  app.add_option("--hello-timeout", timeout_ms,
                 "Time in which a VMM that has connected must negotiate the protocol's version,\n"
                 "in milliseconds")
      ->type_name("MS")
      ->check(CLI::Range(1, 3'600'000))
      ->capture_default_str();
}

void AddDeviceOptions(CLI::App& app, DeviceOptions& options) {
  CLI::Option* socket =
      app.add_option("-s,--socket", options.socket, "UNIX socket that the VMM connects to")
          ->type_name("PATH");
  app.add_option("--fd", options.fd,
                 "Inherited socket, instead of --socket: it listens, or a VMM is connected to it")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 20))
      ->excludes(socket);
  app.callback([&options] {
    if (options.socket.empty() && options.fd < 0) throw CLI::RequiredError("--socket or --fd");
    if (!options.handed_over.empty() && options.max_vcpus > kMaxSavedRecords) {
      throw CLI::ValidationError("--max-vcpus", "a supervised device has fewer");
    }
  });
  AddSocketAccessOptions(app, options.socket_access);
  CLI::Option* control =
      app.add_option("-c,--control", options.control, "pvschedd's socket; pvschedd may start later")
          ->type_name("PATH")
          ->capture_default_str();
  app.add_flag("--no-control", options.no_control,
               "Serve the VM without pvschedd, to test a guest's driver")
      ->excludes(control);
  app.add_option("-n,--name", options.name, "The VM's name, as pvschedctl shows it")
      ->type_name("NAME")
      ->check(CLI::Validator(CheckName, ""));
  app.add_option("--max-vcpus", options.max_vcpus, "APIC ids of vCPUs are below this")
      ->type_name("N")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  AddHelloTimeoutOption(app, options.hello_timeout_ms);
  app.add_flag("--persist", options.persist, "After a VM has left, wait for the next");
  app.add_flag("--seccomp,!--no-seccomp", options.seccomp,
               "Allow only the system calls that are needed (default: on)");
  // Between pvsched-deviced and its devices, so not in the help.
  app.add_option("--handed-over", options.handed_over)->group("");
  AddLogLevelOption(app, options.log_level);
  app.set_version_flag("--version", "pvsched-device " PVSCHED_VERSION_STRING);
}

void InitializeDeviceLog(const std::string& level) {
  absl::SetStderrThreshold(LogLevels().at(level));
  absl::SetMinLogLevel(LogLevels().at(level));
  if (level == "debug") absl::SetGlobalVLogLevel(1);
  absl::InitializeLog();
  LogToJournal();
}

}  // namespace pvsched
