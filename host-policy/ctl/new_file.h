// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_NEW_FILE_H_
#define PVSCHED_HOST_POLICY_CTL_NEW_FILE_H_

#include <string>

#include "absl/status/status.h"

namespace pvsched {

// Writes a file with this text. It has the whole text or is not there at all.
// An existing file is kept, unless `is_forced`.
absl::Status WriteNewFile(const std::string& path, const std::string& text, bool is_forced);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_NEW_FILE_H_
