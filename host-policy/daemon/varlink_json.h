// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_VARLINK_JSON_H_
#define PVSCHED_HOST_POLICY_DAEMON_VARLINK_JSON_H_

#include <systemd/sd-json.h>

#include <cstdlib>
#include <memory>

#include "nlohmann/json.hpp"

namespace pvsched {

struct UnrefVariant {
  void operator()(sd_json_variant* variant) const { sd_json_variant_unref(variant); }
};
using Variant = std::unique_ptr<sd_json_variant, UnrefVariant>;

// Bytes that are no UTF-8 are replaced. nullptr: out of memory.
inline Variant ToVariant(const nlohmann::ordered_json& json) {
  using nlohmann::ordered_json;
  sd_json_variant* variant = nullptr;
  sd_json_parse(json.dump(-1, ' ', false, ordered_json::error_handler_t::replace).c_str(),
                static_cast<sd_json_parse_flags_t>(0), &variant, nullptr, nullptr);
  return Variant(variant);
}

// An empty object if `variant` is nullptr; no object if it is none.
inline nlohmann::ordered_json FromVariant(sd_json_variant* variant) {
  char* text = nullptr;
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (variant != nullptr &&
      sd_json_variant_format(variant, static_cast<sd_json_format_flags_t>(0), &text) >= 0) {
    json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  }
  free(text);
  return json;
}

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_VARLINK_JSON_H_
