// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_LOADER_SCX_SUPPORT_H_
#define PVSCHED_HOST_POLICY_LOADER_SCX_SUPPORT_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

struct bpf_map;
struct btf;

namespace pvsched {

// Whether this host can run pvsched's scheduler: sched_ext, with BTF that a
// scheduler can be loaded by, no other scheduler in place, no core-scheduling
// cookies on a host with SMT. The first thing that is missing, if not.
absl::Status CheckScxSupport();

// The part of it that asks the kernel's BTF alone.
absl::Status CheckScxBtf(const btf& kernel);

// Whether the thread has a core-scheduling cookie. Under sched_ext these have
// hung hosts with SMT.
bool HasCoreCookie(pid_t tid);
bool HasSmt();

// Takes out of a struct_ops map's initial value every callback that the kernel
// does not know, so that it loads; returns their names. Before the load.
std::vector<std::string> DropUnknownCallbacks(bpf_map& scheduler, const btf& object);

// Sets bits in the field `flags` of a struct_ops map's initial value. Before the load.
absl::Status AddOpsFlags(bpf_map& scheduler, const btf& object, uint64_t flags);

// The value of a flag of sched_ext_ops that not every kernel has; 0 where it is not known.
uint64_t ScxOpsFlag(const btf& kernel, std::string_view name);
uint64_t ScxOpsFlag(std::string_view name);  // of this host's kernel

// What is configured: one more than the highest CPU's and node's number.
uint32_t PossibleCpus();
uint32_t PossibleNodes();

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_SCX_SUPPORT_H_
