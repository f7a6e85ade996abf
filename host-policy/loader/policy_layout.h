// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_POLICY_LAYOUT_H_
#define PVSCHED_HOST_POLICY_LOADER_POLICY_LAYOUT_H_

#include "absl/status/status.h"

struct btf;

namespace pvsched {

// Whether a policy reads struct pvs_view as pvsched's programs write it: each field that the
// policy was compiled with has its place and size in `own`. New fields are appended, so a policy
// of an earlier version has fewer. Both are the types of BPF objects.
absl::Status CheckViewLayout(const btf& policy, const btf& own);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_POLICY_LAYOUT_H_
