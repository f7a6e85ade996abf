// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/doctor.h"

#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host-policy/ctl/read_socket.h"
#include "host-policy/daemon/service_config.h"
#include "host-policy/loader/scx_support.h"

namespace pvsched {
namespace {

// Debian's libvirt, and Fedora's.
constexpr const char* kVmmUsers[] = {"libvirt-qemu", "qemu"};
constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";

const char* StateText(FindingState state) {
  switch (state) {
    case FindingState::kOk:
      return "ok";
    case FindingState::kLimited:
      return "limited";
    case FindingState::kMissing:
      return "missing";
    case FindingState::kUnknown:
      break;
  }
  return "unknown";
}

std::string QemuVersion() {
  if (access(kQemu, X_OK) != 0) return "";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      popen(absl::StrCat(kQemu, " --version 2>/dev/null").c_str(), "re"), pclose);
  char line[256] = "";
  if (pipe == nullptr || fgets(line, sizeof(line), pipe.get()) == nullptr) return "";
  return std::string(absl::StripAsciiWhitespace(line));
}

std::vector<gid_t> GroupsOf(const passwd& user) {
  std::vector<gid_t> groups(256);
  int count = static_cast<int>(groups.size());
  if (getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0) return {};
  groups.resize(static_cast<size_t>(count));
  return groups;
}

}  // namespace

DoctorHost ReadHost(const std::string& socket_path, const std::string& device_socket) {
  DoctorHost host;
  utsname name = {};
  uname(&name);
  host.release = name.release;
  host.uid = geteuid();
  const passwd* self = getpwuid(host.uid);
  host.user = self != nullptr ? self->pw_name : absl::StrCat(host.uid);
  host.scx = CheckScxSupport();
  host.qemu = QemuVersion();
  rlimit limit = {};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) host.memlock = limit.rlim_cur;
  if (access(SocketFor(socket_path, AdminMethod::kGetStats).c_str(), W_OK) != 0 &&
      errno == EACCES) {
    host.stats = absl::PermissionDeniedError("the socket is not open to this user");
  } else {
    host.stats = AdminClient(socket_path).Ask(AdminMethod::kGetStats);
  }
  if (const group* found = getgrnam(kDefaultSocketGroup); found != nullptr) {
    host.group = found->gr_gid;
  }
  host.device_socket = device_socket;
  for (const char* user : kVmmUsers) {
    const passwd* found = getpwnam(user);
    if (found == nullptr) continue;
    host.vmm_user = user;
    host.vmm_groups = GroupsOf(*found);
    break;
  }
  return host;
}

std::vector<Finding> Examine(const DoctorHost& host) {
  std::vector<Finding> findings = ExamineKernel(host);
  std::ranges::move(ExamineMemory(host), std::back_inserter(findings));
  std::ranges::move(ExamineAccess(host), std::back_inserter(findings));
  return findings;
}

std::string FindingsText(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    absl::StrAppend(&text, absl::StrFormat("%-8s %s: %s\n", StateText(finding.state), finding.name,
                                           finding.found));
    if (!finding.cost.empty()) absl::StrAppend(&text, "         cost: ", finding.cost, "\n");
    if (!finding.advice.empty()) absl::StrAppend(&text, "         -> ", finding.advice, "\n");
  }
  absl::StrAppend(&text, "\n",
                  HasMissing(findings) ? "pvsched does not work on this host: see 'missing' above."
                                       : "pvsched can work on this host.",
                  "\n");
  return text;
}

Json FindingsJson(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"name", finding.name},
                    {"state", StateText(finding.state)},
                    {"found", finding.found},
                    {"cost", finding.cost},
                    {"advice", finding.advice}});
  }
  return {{"can_work", !HasMissing(findings)}, {"findings", list}};
}

bool HasMissing(const std::vector<Finding>& findings) {
  return std::ranges::any_of(
      findings, [](const Finding& finding) { return finding.state == FindingState::kMissing; });
}

std::string ReadLine(const DoctorHost& host, const std::string& path) {
  std::ifstream file(host.root + path);
  std::string line;
  std::getline(file, line);
  return line;
}

bool HasFile(const DoctorHost& host, const std::string& path) {
  return access((host.root + path).c_str(), F_OK) == 0;
}

}  // namespace pvsched
