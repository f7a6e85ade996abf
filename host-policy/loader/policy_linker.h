// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_POLICY_LINKER_H_
#define PVSCHED_HOST_POLICY_LOADER_POLICY_LINKER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pvsched {

// Links a policy to pvsched's own object, whose bytes are `own`. A policy is a BPF object with
// a function pvs_policy() (core/policy_view.h); it replaces the weak function of that name.
// It is read from `file`, and errors call it `name`.
// Returns the bytes of the linked object. The error says what is wrong with the policy.
absl::StatusOr<std::string> LinkPolicy(absl::string_view own, const std::string& file,
                                       const std::string& name);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_POLICY_LINKER_H_
