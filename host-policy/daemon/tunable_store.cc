// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/tunable_store.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

namespace pvsched {

TunableValues TunableStore::ForHost() const {
  TunableValues values = DefaultTunables();
  for (const auto& [index, value] : host_.values) values[index] = value;
  return values;
}

TunableValues TunableStore::ForVm(absl::string_view name, uid_t uid) const {
  TunableValues values = ForHost();
  const auto it = vms_.find(name);
  if (it == vms_.end() || (it->second.uid && *it->second.uid != uid)) return values;
  for (const auto& [index, value] : it->second.values) values[index] = value;
  return values;
}

absl::Status TunableStore::SetUnchecked(absl::string_view vm, absl::string_view name,
                                        absl::string_view text) {
  ASSIGN_OR_RETURN(size_t index, FindTunable(name));
  const TunableInfo& info = TunableInfos()[index];
  if (info.is_host_only && !vm.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(info.name, " is for the host only: set it without --vm, or under [host]"));
  }
  ASSIGN_OR_RETURN(int64_t value, ParseTunable(info, text));
  Section& section = vm.empty() ? host_ : vms_[std::string(vm)];
  section.values[index] = value;
  return absl::OkStatus();
}

std::optional<TunableStore::Violation> TunableStore::FindViolation() const {
  if (const absl::Status status = CheckTunables(ForHost()); !status.ok()) {
    return Violation{.table = "[host]", .message = std::string(status.message())};
  }
  for (const auto& [name, section] : vms_) {
    const absl::Status status = CheckTunables(ForVm(name, section.uid.value_or(0)));
    if (!status.ok()) {
      return Violation{.table = absl::StrCat("[vm.", name, "]"),
                       .message = std::string(status.message())};
    }
  }
  return std::nullopt;
}

absl::Status TunableStore::Set(absl::string_view vm, absl::string_view name,
                               absl::string_view text) {
  TunableStore changed = *this;
  RETURN_IF_ERROR(changed.SetUnchecked(vm, name, text));
  if (const std::optional<Violation> violation = changed.FindViolation()) {
    return absl::InvalidArgumentError(absl::StrCat(violation->table, " ", violation->message));
  }
  *this = std::move(changed);
  return absl::OkStatus();
}

}  // namespace pvsched
