// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACCOUNT_NAMES_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACCOUNT_NAMES_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"

namespace pvsched {

// The id of a user or group, which `text` gives by name or by number. NotFound:
// this host has no such name. InvalidArgument: the number is no id.
absl::StatusOr<uid_t> FindUser(const std::string& text);
absl::StatusOr<gid_t> FindGroup(const std::string& text);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACCOUNT_NAMES_H_
