// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// The host's CPUs by node, last-level cache (LLC) and core, from sysfs.
#ifndef PVSCHED_HOST_POLICY_LOADER_TOPOLOGY_H_
#define PVSCHED_HOST_POLICY_LOADER_TOPOLOGY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host-policy/bpf/scx/intf.h"

namespace pvsched {

// "0-3,8" -> {0, 1, 2, 3, 8}, as sysfs writes lists of CPUs and nodes. Ignores what is no id
// below PVS_MAX_CPUS.
std::vector<uint32_t> ParseIdList(absl::string_view list);

// ReadTopology() finds the small CPUs itself.
inline constexpr char kAutoSmallCpus[] = "auto";

// Whether `text` is a list of CPUs as ParseIdList() reads it, "none" or kAutoSmallCpus.
absl::Status CheckSmallCpus(const std::string& text);

// Reads the topology below `sysfs`, which is "/sys" on a host.
//
// - A node has the kernel's id. A host without nodes has node 0.
// - An LLC is the cache of the highest level that sysfs shows for a CPU, within its node: a cache
//   that nodes share counts once for each. Without caches, a node is one LLC.
// - `small_cpus` lists the CPUs that are slower than the others. kAutoSmallCpus: as the kernel
//   names the efficient cores of Intel's hybrid processors. If all CPUs are small, none is.
// - An offline CPU shows neither; it counts to the node and LLC of the CPU before it.
//
// Fails if the host may have more CPUs, LLCs or nodes than the scheduler supports.
absl::StatusOr<pvs_topology> ReadTopology(const std::string& sysfs,
                                          const std::string& small_cpus = kAutoSmallCpus);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_TOPOLOGY_H_
