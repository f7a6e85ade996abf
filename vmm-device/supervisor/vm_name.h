// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_SUPERVISOR_VM_NAME_H_
#define PVSCHED_VMM_DEVICE_SUPERVISOR_VM_NAME_H_

#include <sys/types.h>

#include <string>

#include "absl/strings/string_view.h"

namespace pvsched {

// The VM's name from its VMM's command line, words that end with NUL: QEMU's
// -name, else its -uuid, else "vm-PID". The text is not trusted: the result has
// 1 to 80 bytes of letters, digits, '_', '-' and '.', and does not start with
// '-' or '.'.
std::string VmNameFromCommandLine(absl::string_view command_line, pid_t pid);

// The same, for a process that /proc shows.
std::string ReadVmName(pid_t pid);

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_SUPERVISOR_VM_NAME_H_
