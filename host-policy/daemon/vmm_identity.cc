// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/vmm_identity.h"

#include <fcntl.h>

#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/pidfd.h"

namespace pvsched {
namespace {

absl::Status NoPidfd() { return absl::InvalidArgumentError("HELLO carries no pidfd of the VMM"); }

}  // namespace

absl::StatusOr<VmmIdentity> IdentifyVmm(PassedFd passed) {
  const PassedNote& note = passed.note;
  switch (note.kind) {
    case PassedKind::kPidfd:
      return VmmIdentity{.pidfd = std::move(passed.fd)};
    case PassedKind::kVmm:
      return VmmIdentity{.pidfd = std::move(passed.fd), .is_proven = true, .uid = note.uid};
    case PassedKind::kNone:
      return absl::InvalidArgumentError("HELLO carries neither a vfio-user socket nor a pidfd");
    default:
      if (note.code == 0) return NoPidfd();
      // A front process that was taken over may write a text without an end.
      return absl::Status(static_cast<absl::StatusCode>(note.code),
                          absl::string_view(note.text, strnlen(note.text, sizeof(note.text))));
  }
}

absl::Status VmmHasEnded() { return absl::NotFoundError("the VMM's process has ended"); }

absl::StatusOr<pid_t> PidOfPidfd(int pidfd) {
  // A VM is a process. A pidfd for each of its threads would be many VMs.
  if ((fcntl(pidfd, F_GETFL) & PIDFD_THREAD) != 0) {
    return absl::InvalidArgumentError(
        "the pidfd in HELLO is of a thread, not of the VMM's process");
  }
  std::ifstream info(absl::StrCat("/proc/self/fdinfo/", pidfd));
  std::string line;
  while (std::getline(info, line)) {
    absl::string_view value = line;
    pid_t pid = 0;
    if (absl::ConsumePrefix(&value, "Pid:") && absl::SimpleAtoi(value, &pid)) {
      if (pid > 0) return pid;
      return VmmHasEnded();
    }
  }
  return NoPidfd();
}

}  // namespace pvsched
