// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_ADMIN_CLIENT_H_
#define PVSCHED_HOST_POLICY_CTL_ADMIN_CLIENT_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host-policy/daemon/admin_methods.h"
#include "nlohmann/json.hpp"

namespace pvsched {

using Json = nlohmann::ordered_json;

// Calls the methods of io.pvsched.Admin. The user sees its errors.
class AdminClient {
 public:
  explicit AdminClient(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  // `file` is a descriptor that goes with the call, as number 0; -1: none.
  absl::StatusOr<Json> Ask(AdminMethod method, const Json& parameters = Json::object(),
                           int file = -1) const;
  // Calls `on_start` when pvschedd has begun the trace, then `on_decision` for
  // each decision until it returns false, a signal arrives, or pvschedd ends.
  absl::Status Trace(const std::function<absl::Status()>& on_start,
                     const std::function<bool(const Json&)>& on_decision) const;

 private:
  std::string socket_path_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_ADMIN_CLIENT_H_
