// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "common/kvm_trace_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace pvsched {

absl::Status CheckCanTrace(absl::string_view program) {
  if (geteuid() != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat(program, " loads BPF programs: start it as root"));
  }
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
    return absl::FailedPreconditionError(
        "this kernel has no BTF (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF");
  }
  // Not access(): systemd's device filter (DevicePolicy=) refuses even F_OK.
  struct stat info;
  if (stat("/dev/kvm", &info) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "KVM is not there (/dev/kvm): load kvm_amd or kvm_intel, then start ", program));
  }
  return absl::OkStatus();
}

}  // namespace pvsched
