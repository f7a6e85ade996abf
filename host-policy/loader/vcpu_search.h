// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_VCPU_SEARCH_H_
#define PVSCHED_HOST_POLICY_LOADER_VCPU_SEARCH_H_

#include <vector>

#include "absl/status/statusor.h"
#include "host-policy/bpf/intf.h"

namespace pvsched {

// The vCPUs of the process `pidfd`, by the open files of its threads, in the order of the
// descriptors. `program_fd` is the loaded program pvs_find_vcpus. The search reads the kernel's
// own `struct kvm_vcpu`, so a VMM cannot forge an entry. Empty: the process is no VMM.
absl::StatusOr<std::vector<pvs_vcpu_found>> FindVcpus(int program_fd, int pidfd);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_VCPU_SEARCH_H_
