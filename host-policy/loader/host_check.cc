// SPDX-License-Identifier: Apache-2.0
#include "host-policy/loader/host_check.h"

#include <sys/utsname.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/kvm_trace_check.h"

namespace pvsched {
namespace {

// uptr in task storage, by which programs read the record, came with 6.13.
constexpr int kMajor = 6;
constexpr int kMinor = 13;

}  // namespace

absl::Status CheckKernelRelease(absl::string_view release) {
  int major = 0;
  int minor = 0;
  if (sscanf(std::string(release).c_str(), "%d.%d", &major, &minor) != 2) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot tell the kernel's version from '", release, "'"));
  }
  if (major < kMajor || (major == kMajor && minor < kMinor)) {
    return absl::FailedPreconditionError(
        absl::StrCat("this kernel is ", release, "; pvsched needs ", kMajor, ".", kMinor,
                     " or newer, for BPF programs to read guest memory in place (uptr)"));
  }
  return absl::OkStatus();
}

std::string WhyInterruptsAreUnseen(bool has_kick_hook, const std::string& modules) {
  if (!has_kick_hook) {
    return "this kernel lets no BPF program see interrupts for a vCPU that waits for a CPU: it is "
           "boosted for them only when it runs again";
  }
  // KVM keeps such a timer in the VMCS, and turns it into one of the host's own only when the
  // vCPU halts: while it is preempted nobody is told that it expires.
  std::ifstream preemption_timer(modules + "/kvm_intel/parameters/preemption_timer");
  if (preemption_timer.get() == 'Y') {
    return "kvm_intel keeps a vCPU's timer from the host while it waits for a CPU: for it to be "
           "boosted then, load kvm_intel with preemption_timer=0";
  }
  return "";
}

absl::Status CheckHost() {
  utsname name;
  uname(&name);
  if (absl::Status status = CheckKernelRelease(name.release); !status.ok()) return status;
  return CheckCanTrace("pvschedd");
}

}  // namespace pvsched
