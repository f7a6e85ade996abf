// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_JSON_OUTPUT_H_
#define PVSCHED_HOST_POLICY_CTL_JSON_OUTPUT_H_

#include <string>
#include <utility>

#include "nlohmann/json.hpp"

namespace pvsched {

// The format of all JSON that pvschedctl prints. A program that reads it relies on
// this number: it changes when a field changes its meaning or is removed.
inline constexpr int kJsonFormat = 1;

// An object with the format and the members of `result`. A list becomes the
// member `list`.
inline nlohmann::ordered_json WithFormat(nlohmann::ordered_json result, const char* list = "") {
  nlohmann::ordered_json json = {{"format", kJsonFormat}};
  if (result.is_object()) {
    json.update(result);
  } else {
    json[list] = std::move(result);
  }
  return json;
}

// Bytes that are no UTF-8 are replaced. `indent` -1: one line.
inline std::string JsonText(const nlohmann::ordered_json& json, int indent = 2) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_JSON_OUTPUT_H_
