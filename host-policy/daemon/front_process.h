// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_FRONT_PROCESS_H_
#define PVSCHED_HOST_POLICY_DAEMON_FRONT_PROCESS_H_

namespace pvsched {

// The main program of the front process, which ends with pvschedd. Returns the exit status.
//
// It forwards messages between clients and pvschedd, and receives no descriptor itself: a
// message that carries one is received by a process of its own, which may hang when it closes
// the descriptor.
int RunFrontProcess();

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_FRONT_PROCESS_H_
