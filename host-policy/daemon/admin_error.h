// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ADMIN_ERROR_H_
#define PVSCHED_HOST_POLICY_DAEMON_ADMIN_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace pvsched {

// An error of io.pvsched.Admin. `parameters` are its own but "message".
struct AdminError {
  std::string name = "Refused";
  nlohmann::ordered_json parameters = nlohmann::ordered_json::object();
};

// `status` as this error.
inline absl::Status AsAdminError(absl::Status status, absl::string_view name,
                                 const nlohmann::ordered_json& parameters) {
  status.SetPayload(name, absl::Cord(parameters.dump(
                              -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)));
  return status;
}

// The error that AsAdminError() made of it; else "Refused".
inline AdminError AdminErrorOf(const absl::Status& status) {
  AdminError error;
  status.ForEachPayload([&error](absl::string_view name, const absl::Cord& parameters) {
    error.name = std::string(name);
    error.parameters = nlohmann::ordered_json::parse(std::string(parameters), nullptr, false);
  });
  error.parameters["message"] = std::string(status.message());
  return error;
}

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ADMIN_ERROR_H_
