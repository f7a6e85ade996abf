// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_FUZZ_FAKE_REGISTRY_H_
#define PVSCHED_TESTS_FUZZ_FAKE_REGISTRY_H_

#include <cstddef>

#include "common/event_loop.h"
#include "host-policy/daemon/control_limits.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/daemon/tunable_store.h"

namespace pvsched {

// fake_registry.cc defines Registry's functions in place of registry.cc: without BPF programs and
// without threads. It checks what its callers promise: names, descriptors, VMs.
inline constexpr size_t kFakeMaxVms = 2;

// Of a VM that has no process.
Vm& AddFakeVm(Registry& registry, pid_t pid, uid_t uid, const std::string& name);

// `loop` must outlive the registry.
Registry MakeFakeRegistry(EventLoop& loop, TunableStore tunables = {});

}  // namespace pvsched

#endif  // PVSCHED_TESTS_FUZZ_FAKE_REGISTRY_H_
