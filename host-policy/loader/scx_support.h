// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
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

// Whether this host can run pvsched's scheduler. It needs sched_ext with usable BTF, no other
// sched_ext scheduler, and with SMT no core-scheduling cookies. The error names the first
// missing requirement.
absl::Status CheckScxSupport();

// The part of CheckScxSupport() that reads only the kernel's BTF.
absl::Status CheckScxBtf(const btf& kernel);

// Whether the thread has a core-scheduling cookie. Under sched_ext a cookie can hang a host
// with SMT.
bool HasCoreCookie(pid_t tid);
bool HasSmt();

// Clears every callback that the kernel does not know in a struct_ops map's initial value, so
// that the map loads. Returns their names. Before the load.
std::vector<std::string> DropUnknownCallbacks(bpf_map& scheduler, const btf& object);

// Sets bits in the field `flags` of a struct_ops map's initial value. Before the load.
absl::Status AddOpsFlags(bpf_map& scheduler, const btf& object, uint64_t flags);

// The value of a flag of sched_ext_ops, by name; 0 if the kernel does not have the flag.
uint64_t ScxOpsFlag(const btf& kernel, std::string_view name);
uint64_t ScxOpsFlag(std::string_view name);  // of this host's kernel

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_SCX_SUPPORT_H_
