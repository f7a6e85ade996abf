// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_OWN_OBJECTS_H_
#define PVSCHED_HOST_POLICY_LOADER_OWN_OBJECTS_H_

#include "absl/strings/string_view.h"

namespace pvsched {

// The bytes of the two BPF objects that the build embeds.
absl::string_view HooksObject();  // of the actuators agent and kfunc
absl::string_view ScxObject();    // of the actuator scx

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_OWN_OBJECTS_H_
