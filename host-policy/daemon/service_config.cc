// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/service_config.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/paths.h"
#include "common/unix_socket.h"
#include "host-policy/daemon/account_names.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/actuators/selection.h"
#include "host-policy/daemon/control_limits.h"
#include "host-policy/loader/topology.h"

namespace pvsched {
namespace {

constexpr char kAuto[] = "auto";

absl::Status CheckDirectory(const std::string& text) {
  if (!text.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("needs the path of a directory");
}

absl::Status CheckMode(const std::string& text) {
  const bool is_mode =
      !text.empty() && text.size() <= 4 && text.find_first_not_of("01234567") == std::string::npos;
  if (is_mode) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no octal mode such as \"0660\""));
}

absl::Status CheckGroup(const std::string& text) {
  return text.empty() ? absl::OkStatus() : FindGroup(text).status();
}

absl::Status CheckActuatorList(const std::string& text) {
  return text == kAuto ? absl::OkStatus() : CheckActuators(text);
}

absl::Status CheckPolicy(const std::string& text) {
  struct stat st;
  if (text.empty()) return absl::OkStatus();
  if (stat(text.c_str(), &st) != 0) return ErrnoStatus(errno, text);
  if (S_ISREG(st.st_mode)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(text, " is not a file"));
}

template <uint32_t kMinimum, uint32_t kMaximum>
absl::Status CheckInteger(const std::string& text) {
  uint32_t value = 0;
  if (absl::SimpleAtoi(text, &value) && value >= kMinimum && value <= kMaximum) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("needs an integer from ", kMinimum, " to ", kMaximum, ", not '", text, "'"));
}

// The state directory and the sockets.
std::vector<ServiceKeyInfo> PathKeys() {
  return {
      {.name = "state-dir",
       .type = "DIR",
       .default_value = std::string(kDefaultStateDir),
       .default_note = "",
       .help = "Directory of the sockets and of the saved scheduling parameters",
       .check = CheckDirectory,
       .is_path = true},
      {.name = "device-socket",
       .type = "PATH",
       .default_value = "",
       .default_note = InDirectory("STATE_DIR", kDeviceSocketName),
       .help = "Socket for pvsched-device",
       .check = CheckUnixPath,
       .is_path = true},
      {.name = "device-socket-mode",
       .type = "MODE",
       .default_value = "0660",
       .default_note = "",
       .help = "Permissions of that socket, octal. A user who can connect can request boosts,\n"
               "within the caps.",
       .check = CheckMode},
      {.name = "device-socket-group",
       .type = "GROUP",
       .default_value = "",
       .default_note = absl::StrCat(kDefaultSocketGroup, ", if that group exists"),
       .help = "Group of that socket, by name or id; \"\": pvschedd's own group",
       .check = CheckGroup},
      {.name = "admin-socket",
       .type = "PATH",
       .default_value = "",
       .default_note = InDirectory("STATE_DIR", kAdminSocketName),
       .help = "Socket for pvschedctl",
       .check = CheckUnixPath,
       .is_path = true},
      {.name = "read-socket",
       .type = "PATH",
       .default_value = "",
       .default_note = InDirectory("STATE_DIR", kReadSocketName),
       .help = "Socket for pvschedctl's commands that change nothing, with mode 0660",
       .check = CheckUnixPath,
       .is_path = true},
      {.name = "read-socket-group",
       .type = "GROUP",
       .default_value = "",
       .default_note = "pvschedd's own group",
       .help = "Group of that socket, by name or id. Its members see the VMs of all users.",
       .check = CheckGroup},
  };
}

std::vector<ServiceKeyInfo> ActuatorKeys() {
  return {
      {.name = "actuator",
       .type = "NAME[,NAME]",
       .default_value = kAuto,
       .default_note = "",
       .help = absl::StrCat("How grants are applied. The first that works on this host is used.\n"
                            "auto: ",
                            kAutoActuators,
                            "\n"
                            "scx: pvsched becomes the host's scheduler, by sched_ext\n"
                            "kfunc: inside the event, through the kernel module pvsched_host\n"
                            "agent: by a real-time thread of pvschedd"),
       .check = CheckActuatorList},
      {.name = "policy",
       .type = "FILE",
       .default_value = "",
       .default_note = "",
       .help = "BPF object with a policy that replaces the default policy",
       .check = CheckPolicy,
       .is_path = true},
      {.name = "agent-priority",
       .type = "1..99",
       .default_value = absl::StrCat(Actuator::kDefaultPriority),
       .default_note = "",
       .help = "SCHED_FIFO priority of the actuator's thread. It must be above every boost:\n"
               "a boosted vCPU could otherwise keep the thread from ending the boost.",
       .check = CheckInteger<1, 99>,
       .is_integer = true},
      {.name = "small-cpus",
       .type = "LIST|none|auto",
       .default_value = kAutoSmallCpus,
       .default_note = "",
       .help = "CPUs that are slower than the host's other CPUs, such as 8-15, for actuator scx.\n"
               "auto: the efficient cores of an Intel hybrid processor",
       .check = CheckSmallCpus},
  };
}

// What keeps one user from using up the host's tables.
std::vector<ServiceKeyInfo> LimitKeys() {
  constexpr ControlLimits kDefaults;
  return {
      {.name = "max-user-vms",
       .type = "1..1024",
       .default_value = absl::StrCat(kDefaults.max_user_vms),
       .default_note = "",
       .help = "The most VMs of one user. Root's VMs have no limit but the host's, 1024.",
       .check = CheckInteger<1, PVS_MAX_VMS>,
       .is_integer = true},
      {.name = "max-user-vcpus",
       .type = "1..4096",
       .default_value = absl::StrCat(kDefaults.max_user_vcpus),
       .default_note = "",
       .help = "The most vCPUs of all VMs of one user. Root's have no limit but the host's, 4096.",
       .check = CheckInteger<1, PVS_MAX_VCPUS>,
       .is_integer = true},
      {.name = "max-user-connections",
       .type = "1..256",
       .default_value = absl::StrCat(kDefaults.max_user_connections),
       .default_note = "",
       .help = "The most connections of one user's devices that have no VM yet. One more closes\n"
               "the oldest.",
       .check = CheckInteger<1, ControlLimits::kMaxConnectionsWithoutVm>,
       .is_integer = true},
      {.name = "hello-timeout",
       .type = "MS",
       .default_value = absl::StrCat(kDefaults.hello_timeout.count()),
       .default_note = "",
       .help = "Time in which a device that has connected must name its VM, in milliseconds",
       .check = CheckInteger<1, 3'600'000>,
       .is_integer = true},
  };
}

}  // namespace

const std::vector<ServiceKeyInfo>& ServiceKeyInfos() {
  static const auto* const infos = [] {
    auto* const all = new std::vector<ServiceKeyInfo>(PathKeys());
    for (ServiceKeyInfo& info : ActuatorKeys()) all->push_back(std::move(info));
    for (ServiceKeyInfo& info : LimitKeys()) all->push_back(std::move(info));
    return all;
  }();
  return *infos;
}

const ServiceKeyInfo* FindServiceKey(absl::string_view name) {
  for (const ServiceKeyInfo& info : ServiceKeyInfos()) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

absl::Status SetServiceKey(ServiceKeys& keys, absl::string_view name, const std::string& text) {
  const ServiceKeyInfo* info = FindServiceKey(name);
  if (info == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("there is no key '", name, "'"));
  }
  if (absl::Status status = info->check(text); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", status.message()));
  }
  keys[info->name] = text;
  return absl::OkStatus();
}

ServiceConfig ToServiceConfig(const ServiceKeys& keys) {
  const auto text = [&keys](absl::string_view name) {
    const auto it = keys.find(name);
    return it != keys.end() ? it->second : FindServiceKey(name)->default_value;
  };
  ServiceConfig config;
  config.state_dir = text("state-dir");
  const auto path = [&](absl::string_view key, std::string_view file) {
    const std::string set = text(key);
    return set.empty() ? InDirectory(config.state_dir, file) : set;
  };
  config.device_socket = path("device-socket", kDeviceSocketName);
  config.admin_socket = path("admin-socket", kAdminSocketName);
  config.read_socket = path("read-socket", kReadSocketName);
  config.read_socket_group = text("read-socket-group");
  config.device_socket_mode =
      static_cast<mode_t>(std::stoul(text("device-socket-mode"), nullptr, 8));
  config.actuators = text("actuator") == kAuto ? kAutoActuators : text("actuator");
  if (const auto it = keys.find("device-socket-group"); it != keys.end()) {
    config.device_socket_group = it->second;
  }
  config.policy = text("policy");
  config.agent_priority = std::stoi(text("agent-priority"));
  config.small_cpus = text("small-cpus");
  config.limits = {
      .max_user_vms = std::stoul(text("max-user-vms")),
      .max_user_vcpus = std::stoul(text("max-user-vcpus")),
      .max_user_connections = std::stoul(text("max-user-connections")),
      .hello_timeout = std::chrono::milliseconds(std::stoul(text("hello-timeout"))),
  };
  return config;
}

int ActuatorPriority(const ServiceConfig& config) {
  // The priority of the module's thread is fixed.
  const bool has_kfunc = absl::StrContains(ActuatorsWithoutScx(config.actuators), "kfunc");
  return has_kfunc ? std::min(config.agent_priority, Actuator::kDefaultPriority)
                   : config.agent_priority;
}

}  // namespace pvsched
