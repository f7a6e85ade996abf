// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_LOADER_POLICY_LINKER_H_
#define PVSCHED_HOST_POLICY_LOADER_POLICY_LINKER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pvsched {

// Links a policy, a BPF object with a function pvs_policy() (view.h), to
// pvsched's own programs, whose weak function of that name it takes the place
// of. Returns the linked object's bytes; the error says what is wrong with the
// policy. `own` is pvsched's object.
absl::StatusOr<std::string> LinkPolicy(absl::string_view own, const std::string& policy_path);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_POLICY_LINKER_H_
