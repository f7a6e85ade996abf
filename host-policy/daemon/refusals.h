// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_REFUSALS_H_
#define PVSCHED_HOST_POLICY_DAEMON_REFUSALS_H_

#include <cstdint>

#include "pvsched_control.h"

namespace pvsched {

// Counts what pvschedd refused to devices.
struct Refusals {
  uint64_t hello = 0;          // VMs
  uint64_t registrations = 0;  // records of vCPUs
  uint64_t requests = 0;       // all other requests
  uint64_t malformed = 0;      // messages that ended their connection
  uint64_t connections = 0;    // closed without a VM: too many, or after too long

  // `type`: of the refused request; untrusted.
  uint64_t& CounterOf(uint16_t type) {
    if (type == PVSCHED_CONTROL_HELLO) return hello;
    return type == PVSCHED_CONTROL_REGISTER ? registrations : requests;
  }
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_REFUSALS_H_
