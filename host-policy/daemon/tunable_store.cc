// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/tunable_store.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errno_status.h"
#include "host-policy/daemon/profiles.h"

namespace pvsched {
namespace {

template <typename Map, typename Key>
auto* FindIn(Map& map, const Key& key) {
  const auto it = map.find(key);
  return it != map.end() ? &it->second : nullptr;
}

absl::Status SetValue(TunableMap& values, absl::string_view name, absl::string_view text,
                      bool is_host) {
  ASSIGN_OR_RETURN(const size_t index, FindTunable(name));
  const TunableInfo& info = TunableInfos()[index];
  if (info.is_host_only && !is_host) {
    return absl::InvalidArgumentError(
        absl::StrCat(info.name, " is for the host only: set it without --vm, or under [host]"));
  }
  ASSIGN_OR_RETURN(values[index], ParseTunable(info, text));
  return absl::OkStatus();
}

}  // namespace

std::string TunableScope::Table() const {
  if (!vm.empty()) return absl::StrCat("[vm.", vm, "]");
  return uid ? absl::StrCat("[uid.", *uid, "]") : "[host]";
}

TunableStore::TunableStore() : profiles_(BuiltInProfiles()) {}

const TunableSection* TunableStore::Find(const TunableScope& scope) const {
  if (!scope.vm.empty()) return FindIn(vms_, scope.vm);
  return scope.uid ? FindIn(users_, *scope.uid) : &host_;
}

TunableSection& TunableStore::Section(const TunableScope& scope) {
  if (!scope.vm.empty()) return vms_[scope.vm];
  return scope.uid ? users_[*scope.uid] : host_;
}

void TunableStore::Apply(const TunableSection* section, TunableValues& values) const {
  if (section == nullptr) return;
  const auto profile = profiles_.find(section->profile);
  if (profile != profiles_.end()) {
    for (const auto& [index, value] : profile->second) values[index] = value;
  }
  for (const auto& [index, value] : section->values) values[index] = value;
}

TunableValues TunableStore::ForHost() const {
  TunableValues values = DefaultTunables();
  Apply(&host_, values);
  return values;
}

TunableValues TunableStore::ForVm(absl::string_view name, uid_t uid) const {
  TunableValues values = ForHost();
  const TunableSection* vm = FindIn(vms_, name);
  if (vm != nullptr && !vm->owner) Apply(vm, values);
  Apply(FindIn(users_, uid), values);
  if (vm != nullptr && vm->owner == uid) Apply(vm, values);
  return values;
}

absl::Status TunableStore::Set(const TunableScope& scope, absl::string_view name,
                               absl::string_view text) {
  TunableMap values;
  RETURN_IF_ERROR(SetValue(values, name, text, scope.is_host()));
  for (const auto& [index, value] : values) Section(scope).values[index] = value;
  return absl::OkStatus();
}

absl::Status TunableStore::SetProfile(const TunableScope& scope, absl::string_view profile) {
  if (!profiles_.contains(profile)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no profile '", profile, "'; the profiles are ",
        absl::StrJoin(profiles_, ", ",
                      [](std::string* out, const auto& entry) { out->append(entry.first); })));
  }
  Section(scope).profile = std::string(profile);
  return absl::OkStatus();
}

void TunableStore::DropValuesOfProfile(const TunableScope& scope) {
  TunableSection& section = Section(scope);
  if (const TunableMap* profile = FindIn(profiles_, section.profile)) {
    for (const auto& [index, value] : *profile) section.values.erase(index);
  }
}

absl::Status TunableStore::SetInProfile(absl::string_view profile, absl::string_view name,
                                        absl::string_view text) {
  return SetValue(profiles_[std::string(profile)], name, text, /*is_host=*/false);
}

void TunableStore::Reset(const TunableScope& scope, std::optional<size_t> tunable,
                         const TunableStore& other) {
  const TunableSection* wanted = other.Find(scope);
  if (!tunable) {
    Section(scope) = wanted != nullptr ? *wanted : TunableSection{};
  } else if (const int64_t* value =
                 wanted != nullptr ? FindIn(wanted->values, *tunable) : nullptr) {
    Section(scope).values[*tunable] = *value;
  } else {
    Section(scope).values.erase(*tunable);
  }
  // A scope without a section, and one whose section is empty, are the same.
  if (Section(scope) == TunableSection{}) {
    if (!scope.vm.empty()) {
      vms_.erase(scope.vm);
    } else if (scope.uid) {
      users_.erase(*scope.uid);
    }
  }
}

std::optional<TunableStore::Violation> TunableStore::FindViolation() const {
  const auto check = [this](const std::string& table, const TunableValues& values) {
    const absl::Status status = CheckTunables(values, actuator_priority_);
    return status.ok() ? std::nullopt
                       : std::optional<Violation>({table, std::string(status.message())});
  };
  if (auto found = check(TunableScope{}.Table(), ForHost())) return found;
  for (const auto& [uid, user] : users_) {
    TunableValues values = ForHost();
    Apply(&user, values);
    if (auto found = check(TunableScope{.uid = uid}.Table(), values)) return found;
  }
  for (const auto& [name, vm] : vms_) {
    const std::string table = TunableScope{.vm = name}.Table();
    if (vm.owner) {
      if (auto found = check(table, ForVm(name, *vm.owner))) return found;
      continue;
    }
    TunableValues values = ForHost();
    Apply(&vm, values);
    if (auto found = check(table, values)) return found;
    for (const auto& [uid, user] : users_) {
      if (auto found = check(table, ForVm(name, uid))) return found;
    }
  }
  return std::nullopt;
}

}  // namespace pvsched
