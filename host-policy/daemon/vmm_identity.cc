// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/vmm_identity.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "common/errno_status.h"
#include "common/peer.h"

namespace pvsched {

absl::StatusOr<VmmIdentity> IdentifyVmm(UniqueFd passed) {
  if (!passed) {
    return absl::InvalidArgumentError("HELLO carries neither a vfio-user socket nor a pidfd");
  }
  struct stat info;
  if (fstat(passed.get(), &info) != 0) return ErrnoStatus(errno, "fstat of HELLO's descriptor");
  if (!S_ISSOCK(info.st_mode)) return VmmIdentity{.pidfd = std::move(passed), .is_proven = false};
  RETURN_IF_ERROR(CheckAcceptedSocket(passed.get()));
  ASSIGN_OR_RETURN(Peer peer, GetPeer(passed.get()));
  return VmmIdentity{.pidfd = std::move(peer.pidfd), .is_proven = true};
}

}  // namespace pvsched
