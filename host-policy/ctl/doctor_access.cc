// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host-policy/ctl/doctor.h"
#include "host-policy/daemon/service_config.h"

namespace pvsched {
namespace {

// vfio-user-pci came with this QEMU.
constexpr int kQemuMajor = 10;
constexpr int kQemuMinor = 1;

constexpr char kAppArmorRules[] = "/etc/apparmor.d/abstractions/libvirt-qemu.d";

// The chosen word of a list such as "always advise [never]".
std::string Chosen(const std::string& list) {
  const size_t begin = list.find('[');
  const size_t end = list.find(']');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return "";
  return list.substr(begin + 1, end - begin - 1);
}

Finding HugePageFinding(const DoctorHost& host) {
  const std::string path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
  const std::string chosen = Chosen(ReadLine(host, path));
  if (chosen == "never" || chosen == "deny" || chosen.empty()) {
    return {.name = "huge pages",
            .state = FindingState::kLimited,
            .found = absl::StrCat("shmem_enabled is ", chosen.empty() ? "not there" : chosen),
            .cost = "shared guest memory has small pages, so address translation is slower",
            .advice = absl::StrCat("echo advise >", path,
                                   ", or back guest memory with hugetlb, before the VM starts")};
  }
  return {.name = "huge pages", .found = absl::StrCat("shmem_enabled is ", chosen)};
}

// BPF maps are charged to the memory cgroup, and pinned records to no limit.
Finding MemlockFinding(const DoctorHost& host) {
  const std::string limit =
      host.memlock == RLIM_INFINITY ? "unlimited" : absl::StrCat(host.memlock / 1024, " KiB");
  return {.name = "memlock", .found = absl::StrCat(limit, "; pvsched needs none")};
}

Finding DaemonFinding(const DoctorHost& host) {
  if (host.stats.ok()) {
    const Json actuator = host.stats->value("actuator", Json::object());
    return {.name = "pvschedd",
            .found = absl::StrCat("answers ", host.user, ": actuator ", actuator.value("name", "?"),
                                  ", ", host.stats->value("vms", 0), " VMs")};
  }
  const std::string why(host.stats.status().message());
  if (absl::IsPermissionDenied(host.stats.status())) {
    return {.name = "pvschedd",
            .state = FindingState::kUnknown,
            .found = absl::StrCat("user ", host.user, " may not ask it"),
            .advice = "run this command as root"};
  }
  return {.name = "pvschedd",
          .state = FindingState::kLimited,
          .found = why,
          .cost = "no VM is served",
          .advice = "systemctl enable --now pvschedd; its log: journalctl -u pvschedd"};
}

Finding SocketFinding(const DoctorHost& host) {
  struct stat info = {};
  if (stat((host.root + host.device_socket).c_str(), &info) != 0) {
    const bool has_group = host.group.has_value();
    return {.name = "device socket",
            .state = has_group ? FindingState::kOk : FindingState::kLimited,
            .found = absl::StrCat("no ", host.device_socket, "; the group ", kDefaultSocketGroup,
                                  has_group ? " exists" : " does not exist"),
            .cost = has_group ? "" : "only devices of root can connect to pvschedd",
            .advice = has_group ? "" : absl::StrCat("groupadd --system ", kDefaultSocketGroup)};
  }
  const std::string found =
      absl::StrFormat("mode %04o, group %d", info.st_mode & 07777, info.st_gid);
  const bool is_open_to_user =
      (info.st_mode & S_IWOTH) != 0 ||
      ((info.st_mode & S_IWGRP) != 0 && std::ranges::count(host.vmm_groups, info.st_gid) > 0);
  if (host.vmm_user.empty() || is_open_to_user) {
    return {
        .name = "device socket",
        .found = host.vmm_user.empty() ? found : absl::StrCat(found, "; open to ", host.vmm_user)};
  }
  return {.name = "device socket",
          .state = FindingState::kLimited,
          .found = absl::StrCat(found, "; not open to ", host.vmm_user),
          .cost = absl::StrCat("a pvsched-device that runs as ", host.vmm_user, " is not served"),
          .advice = absl::StrCat("name a group of ", host.vmm_user,
                                 " as device-socket-group in the configuration file")};
}

bool HasAppArmorRules(const DoctorHost& host) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(host.root + kAppArmorRules, error)) {
    std::ifstream file(entry.path());
    const std::string text(std::istreambuf_iterator<char>(file), {});
    if (absl::StrContains(text, "pvsched")) return true;
  }
  return false;
}

Finding AppArmorFinding(const DoctorHost& host) {
  const bool is_enabled = ReadLine(host, "/sys/module/apparmor/parameters/enabled") == "Y";
  if (!is_enabled) return {.name = "AppArmor", .found = "not enabled"};
  if (!HasFile(host, "/etc/apparmor.d/abstractions/libvirt-qemu")) {
    return {.name = "AppArmor", .found = "enabled, without libvirt's profiles"};
  }
  if (HasAppArmorRules(host)) {
    return {.name = "AppArmor", .found = absl::StrCat("rules for pvsched in ", kAppArmorRules)};
  }
  return {.name = "AppArmor",
          .state = FindingState::kLimited,
          .found = absl::StrCat("no rule for pvsched in ", kAppArmorRules),
          .cost = "libvirt's domains cannot open the device's socket",
          .advice = "add the rules of docs/how-to/libvirt.md"};
}

Finding QemuFinding(const DoctorHost& host) {
  int major = 0;
  int minor = 0;
  if (sscanf(host.qemu.c_str(), "QEMU emulator version %d.%d", &major, &minor) != 2) {
    return {.name = "QEMU",
            .state = FindingState::kUnknown,
            .found = "no /usr/bin/qemu-system-x86_64; another VMM with vfio-user will do"};
  }
  if (std::pair(major, minor) >= std::pair(kQemuMajor, kQemuMinor)) {
    return {.name = "QEMU", .found = host.qemu};
  }
  return {.name = "QEMU",
          .state = FindingState::kMissing,
          .found = host.qemu,
          .cost = "it has no vfio-user-pci, so its VMs cannot have the device",
          .advice = absl::StrCat("install QEMU ", kQemuMajor, ".", kQemuMinor,
                                 " or newer; Debian has it in its backports")};
}

}  // namespace

std::vector<Finding> ExamineMemory(const DoctorHost& host) {
  return {HugePageFinding(host), MemlockFinding(host)};
}

std::vector<Finding> ExamineAccess(const DoctorHost& host) {
  return {DaemonFinding(host), SocketFinding(host), AppArmorFinding(host), QemuFinding(host)};
}

}  // namespace pvsched
