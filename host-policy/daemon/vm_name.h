// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_VM_NAME_H_
#define PVSCHED_HOST_POLICY_DAEMON_VM_NAME_H_

#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "pvsched_control.h"

namespace pvsched {

// In bytes.
inline constexpr size_t kMaxVmName = sizeof(pvsched_control_msg::text) - 1;

// A VM's name as pvschedd knows it. It goes into logs and onto terminals, so bytes
// that these cannot show are replaced.
inline std::string CleanVmName(absl::string_view name) {
  std::string clean(name);
  for (char& c : clean) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) c = '_';
  }
  return clean;
}

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_VM_NAME_H_
