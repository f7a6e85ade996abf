// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/host_check.h"

#include <sys/utsname.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/kvm_trace_check.h"

namespace pvsched {
namespace {

// Programs read the record by a uptr in task storage, which 6.13 introduced.
constexpr int kMajor = 6;
constexpr int kMinor = 13;

// From 6.15 on the verifier allows a call of a global function, as pvs_policy() is, with
// preemption or interrupts disabled.
constexpr int kMaskingMinor = 15;

bool ParseRelease(absl::string_view release, int& major, int& minor) {
  return sscanf(std::string(release).c_str(), "%d.%d", &major, &minor) == 2;
}

bool IsOlder(int major, int minor, int than_minor) {
  return major < kMajor || (major == kMajor && minor < than_minor);
}

bool IsParameterOn(const std::string& modules, absl::string_view parameter) {
  std::ifstream value(absl::StrCat(modules, "/", parameter));
  const int first = value.get();
  return first == 'Y' || first == '1';
}

}  // namespace

absl::Status CheckKernelRelease(absl::string_view release) {
  int major = 0;
  int minor = 0;
  if (!ParseRelease(release, major, minor)) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot parse the kernel's version '", release, "'"));
  }
  if (IsOlder(major, minor, kMinor)) {
    return absl::FailedPreconditionError(
        absl::StrCat("this kernel is ", release, "; pvsched needs ", kMajor, ".", kMinor,
                     " or newer, for BPF programs to read guest memory in place (uptr)"));
  }
  return absl::OkStatus();
}

bool CanMaskPreemption(absl::string_view release) {
  int major = 0;
  int minor = 0;
  return ParseRelease(release, major, minor) && !IsOlder(major, minor, kMaskingMinor);
}

std::vector<std::string> UnseenInterrupts(bool has_kick_hook, const std::string& modules) {
  if (!has_kick_hook) {
    return {
        "this kernel allows no BPF program at kvm_vcpu_kick() and kvm_vcpu_wake_up(): an interrupt "
        "for a preempted vCPU boosts it only when the vCPU runs again"};
  }
  std::vector<std::string> unseen;
  // KVM keeps such a timer in the VMCS. Only a halt turns it into a timer of the host, so its
  // expiry while the vCPU is preempted causes no event.
  if (IsParameterOn(modules, "kvm_intel/parameters/preemption_timer")) {
    unseen.push_back(
        "kvm_intel hides a preempted vCPU's timer from the host: to boost the vCPU when the "
        "timer expires, load kvm_intel with preemption_timer=0");
  }
  // While a vCPU is preempted, KVM suppresses the notifications of its descriptor.
  if (IsParameterOn(modules, "kvm_intel/parameters/enable_apicv") &&
      IsParameterOn(modules, "kvm_intel/parameters/enable_ipiv")) {
    unseen.push_back(
        "the processor posts interrupts between vCPUs without KVM: one for a preempted vCPU "
        "boosts it only when the vCPU runs again; kvm_intel's enable_ipiv=0 ends that");
  }
  for (const char* module : {"kvm_intel", "kvm_amd"}) {
    if (!IsParameterOn(modules, absl::StrCat(module, "/parameters/enable_device_posted_irqs"))) {
      continue;
    }
    unseen.push_back(absl::StrCat(
        "the IOMMU posts interrupts of assigned devices: one for a preempted vCPU boosts it only "
        "when the vCPU runs again; ",
        module, "'s enable_device_posted_irqs=0 ends that"));
  }
  return unseen;
}

absl::Status CheckHost() {
  utsname name;
  uname(&name);
  if (absl::Status status = CheckKernelRelease(name.release); !status.ok()) return status;
  return CheckCanTrace("pvschedd");
}

}  // namespace pvsched
