// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_ADMIN_CLIENT_H_
#define PVSCHED_HOST_POLICY_CTL_ADMIN_CLIENT_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "nlohmann/json.hpp"

namespace pvsched {

using Json = nlohmann::ordered_json;

// A client of pvschedd's admin socket. The user sees its errors.
class AdminClient {
 public:
  explicit AdminClient(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  absl::StatusOr<Json> Ask(const Json& request) const;
  // Calls `on_start` when pvschedd has begun the trace, then `on_decision` for
  // each decision until it returns false, a signal arrives, or pvschedd ends.
  absl::Status Trace(const std::function<absl::Status()>& on_start,
                     const std::function<bool(const Json&)>& on_decision) const;

 private:
  std::string socket_path_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_ADMIN_CLIENT_H_
