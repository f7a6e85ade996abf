// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/profiles.h"

#include "absl/log/check.h"
#include "absl/strings/string_view.h"

namespace pvsched {
namespace {

// The caps and budgets, with their defaults.
TunableMap Caps() {
  TunableMap values;
  for (size_t i = 0; i < TunableInfos().size(); ++i) {
    const TunableInfo& info = TunableInfos()[i];
    // The other two say what a VM is for, not how far it is trusted.
    if (info.is_host_only || info.name == "mode" || info.name == "weight") continue;
    values[i] = info.default_value;
  }
  return values;
}

void Set(TunableMap& values, absl::string_view name, int64_t value) {
  const absl::StatusOr<size_t> index = FindTunable(name);
  CHECK_OK(index);
  values[*index] = value;
}

}  // namespace

const TunableStore::Profiles& BuiltInProfiles() {
  static const auto* const profiles = [] {
    TunableMap untrusted = Caps();
    Set(untrusted, "budget", 50);
    Set(untrusted, "critical-budget", 10);
    Set(untrusted, "max-rt-prio", 1);
    return new TunableStore::Profiles{{"trusted", Caps()}, {"untrusted", untrusted}};
  }();
  return *profiles;
}

}  // namespace pvsched
