// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_CONTROL_LIMITS_H_
#define PVSCHED_HOST_POLICY_DAEMON_CONTROL_LIMITS_H_

#include <chrono>
#include <cstddef>

#include "host-policy/bpf/intf.h"

namespace pvsched {

// What keeps one user from using up the host's tables. A VM is its VMM's user's.
// Root's VMs have no limit but the host's.
struct ControlLimits {
  // Of all users. A connection has no VM until its HELLO is accepted.
  static constexpr size_t kMaxConnectionsWithoutVm = 256;

  size_t max_user_vms = PVS_MAX_VMS / 2;
  size_t max_user_vcpus = PVS_MAX_VCPUS / 2;
  // Without a VM. Such a connection is the user's whose process has connected.
  size_t max_user_connections = 64;
  std::chrono::milliseconds hello_timeout{5000};

  bool operator==(const ControlLimits&) const = default;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_CONTROL_LIMITS_H_
