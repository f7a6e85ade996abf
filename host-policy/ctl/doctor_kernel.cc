// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "host-policy/ctl/doctor.h"
#include "host-policy/loader/host_check.h"

namespace pvsched {
namespace {

// sched_ext's name of pvsched's own scheduler.
constexpr char kOwnScheduler[] = "pvsched";

Finding KernelFinding(const DoctorHost& host) {
  if (const absl::Status status = CheckKernelRelease(host.release); !status.ok()) {
    return {.name = "kernel",
            .state = FindingState::kMissing,
            .found = std::string(status.message()),
            .cost = "pvschedd does not start",
            .advice = "boot a newer kernel; Debian has them in its backports"};
  }
  if (!CanMaskPreemption(host.release)) {
    return {.name = "kernel",
            .state = FindingState::kLimited,
            .found = host.release,
            .cost = "a program that judges an event can be preempted, and delays the vCPU's next",
            .advice = "boot kernel 6.15 or newer"};
  }
  return {.name = "kernel", .found = host.release};
}

Finding BtfFinding(const DoctorHost& host) {
  if (HasFile(host, "/sys/kernel/btf/vmlinux")) return {.name = "BTF", .found = "yes"};
  return {.name = "BTF",
          .state = FindingState::kMissing,
          .found = "no /sys/kernel/btf/vmlinux",
          .cost = "pvschedd does not start",
          .advice = "boot a kernel with CONFIG_DEBUG_INFO_BTF"};
}

// CONFIG_X -> "y"; empty if the kernel's configuration cannot be read.
std::map<std::string, std::string> KernelConfig(const DoctorHost& host) {
  std::map<std::string, std::string> config;
  for (const std::string& path : {absl::StrCat("/boot/config-", host.release),
                                  absl::StrCat("/lib/modules/", host.release, "/config")}) {
    std::ifstream file(host.root + path);
    for (std::string line; std::getline(file, line);) {
      const size_t equals = line.find('=');
      if (absl::StartsWith(line, "CONFIG_") && equals != std::string::npos) {
        config[line.substr(0, equals)] = line.substr(equals + 1);
      }
    }
    if (!config.empty()) break;
  }
  return config;
}

Finding ConfigFinding(const DoctorHost& host) {
  const std::map<std::string, std::string> config = KernelConfig(host);
  if (config.empty()) {
    return {.name = "kernel configuration",
            .state = FindingState::kUnknown,
            .found = absl::StrCat("no readable /boot/config-", host.release)};
  }
  for (const char* option : {"CONFIG_BPF_SYSCALL", "CONFIG_BPF_JIT", "CONFIG_BPF_EVENTS"}) {
    if (config.contains(option)) continue;
    return {.name = "kernel configuration",
            .state = FindingState::kMissing,
            .found = absl::StrCat("no ", option),
            .cost = "pvschedd does not start",
            .advice = absl::StrCat("boot a kernel with ", option)};
  }
  if (config.contains("CONFIG_RT_GROUP_SCHED") &&
      !config.contains("CONFIG_RT_GROUP_SCHED_DEFAULT_DISABLED")) {
    return {.name = "kernel configuration",
            .state = FindingState::kLimited,
            .found = "CONFIG_RT_GROUP_SCHED",
            .cost = "boosts by agent and kfunc fail in cgroups without a real-time runtime",
            .advice = "boot with rt_group_sched=0 (kernel 6.16 or newer), or boot another kernel"};
  }
  return {.name = "kernel configuration", .found = "no option costs anything"};
}

// Whether programs can attach to functions by fentry. A kernel that cannot call
// them directly does not have this symbol.
bool HasFentry(const DoctorHost& host) {
  std::ifstream symbols(host.root + "/proc/kallsyms");
  for (std::string line; std::getline(symbols, line);) {
    if (absl::EndsWith(line, " register_ftrace_direct")) return true;
  }
  return false;
}

Finding FentryFinding(const DoctorHost& host) {
  if (HasFentry(host)) return {.name = "fentry", .found = "yes"};
  return {.name = "fentry",
          .state = FindingState::kLimited,
          .found = "the kernel calls no BPF program from a function's entry",
          .cost = "no boot boost, and kfunc applies no grant inside an event",
          .advice = "boot a kernel with CONFIG_FUNCTION_TRACER"};
}

Finding KvmFinding(const DoctorHost& host) {
  if (!HasFile(host, "/dev/kvm")) {
    return {.name = "KVM",
            .state = FindingState::kMissing,
            .found = "no /dev/kvm",
            .cost = "pvschedd does not start",
            .advice = "modprobe kvm_intel or kvm_amd; enable virtualization in the firmware"};
  }
  std::string found = "yes";
  for (const auto& [module, parameter] : {std::pair{"kvm_intel", "preemption_timer"},
                                          {"kvm_intel", "enable_apicv"},
                                          {"kvm_amd", "avic"}}) {
    const std::string value =
        ReadLine(host, absl::StrCat("/sys/module/", module, "/parameters/", parameter));
    if (!value.empty()) absl::StrAppend(&found, ", ", module, ".", parameter, "=", value);
  }
  return {.name = "KVM", .found = found};
}

// What the host check has to say about interrupts for preempted vCPUs. Each of
// its sentences is cost and cure.
std::vector<Finding> InterruptFindings(const DoctorHost& host) {
  std::vector<Finding> findings;
  for (const std::string& unseen : UnseenInterrupts(HasFentry(host), host.root + "/sys/module")) {
    findings.push_back({.name = "interrupts",
                        .state = FindingState::kLimited,
                        .found = "KVM does not see each interrupt for a preempted vCPU",
                        .cost = unseen});
  }
  if (findings.empty()) {
    findings.push_back({.name = "interrupts",
                        .found = "no module parameter hides an interrupt for a preempted vCPU"});
  }
  return findings;
}

Finding SchedExtFinding(const DoctorHost& host) {
  const std::string state = ReadLine(host, "/sys/kernel/sched_ext/state");
  const std::string scheduler = ReadLine(host, "/sys/kernel/sched_ext/root/ops");
  if (!state.empty() && state != "disabled" && scheduler == kOwnScheduler) {
    return {.name = "sched_ext", .found = "pvsched is the host's scheduler"};
  }
  if (host.scx.ok() && !state.empty()) {
    return {.name = "sched_ext",
            .found = host.uid == 0 ? "the actuator scx can be used"
                                   : "the actuator scx can be used, if no thread has a "
                                     "core-scheduling cookie: only root sees these"};
  }
  const std::string why =
      host.scx.ok() ? "this kernel has no sched_ext" : std::string(host.scx.message());
  return {.name = "sched_ext",
          .state = FindingState::kLimited,
          .found = why,
          .cost = "the actuator scx cannot be used; kfunc and agent can"};
}

Finding ModuleFinding(const DoctorHost& host) {
  if (HasFile(host, "/sys/module/pvsched_host")) {
    return {.name = "kfunc", .found = "the module pvsched_host is loaded"};
  }
  return {.name = "kfunc",
          .state = FindingState::kLimited,
          .found = "the module pvsched_host is not loaded",
          .cost = "the actuator kfunc cannot be used; the agent applies grants after their event",
          .advice = "install the module and modprobe pvsched_host, unless scx is used"};
}

}  // namespace

std::vector<Finding> ExamineKernel(const DoctorHost& host) {
  std::vector<Finding> findings = {KernelFinding(host), BtfFinding(host), ConfigFinding(host),
                                   FentryFinding(host), KvmFinding(host)};
  for (Finding& finding : InterruptFindings(host)) findings.push_back(std::move(finding));
  findings.push_back(SchedExtFinding(host));
  findings.push_back(ModuleFinding(host));
  return findings;
}

}  // namespace pvsched
