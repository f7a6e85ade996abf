// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_KVM_TRACE_CHECK_H_
#define PVSCHED_COMMON_KVM_TRACE_CHECK_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pvsched {

// Whether this process may load BPF programs that trace KVM. The error names the first missing
// requirement (root, BTF, KVM) and its cure; `program` is the name it gives to the caller.
absl::Status CheckCanTrace(absl::string_view program);

}  // namespace pvsched

#endif  // PVSCHED_COMMON_KVM_TRACE_CHECK_H_
