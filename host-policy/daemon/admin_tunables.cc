// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/admin_tunables.h"

#include <optional>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "host-policy/daemon/admin_error.h"
#include "host-policy/daemon/admin_json.h"
#include "host-policy/daemon/profiles.h"
#include "host-policy/daemon/vm_name.h"

namespace pvsched {
namespace {

using Json = nlohmann::ordered_json;

bool Flag(const Json& request, const char* name) {
  const auto it = request.find(name);
  return it != request.end() && it->is_boolean() && it->get<bool>();
}

absl::StatusOr<std::optional<uid_t>> UserField(const Json& request) {
  const auto it = request.find("uid");
  if (it == request.end() || it->is_null()) return std::nullopt;
  constexpr uid_t kNone = static_cast<uid_t>(-1);
  if (it->is_number_unsigned() && it->get<uint64_t>() < kNone) return it->get<uid_t>();
  return absl::InvalidArgumentError(absl::StrCat("uid is a number below ", kNone));
}

absl::StatusOr<size_t> NamedTunable(const std::string& name) {
  absl::StatusOr<size_t> index = FindTunable(name);
  if (index.ok()) return index;
  return AsAdminError(index.status(), "NoSuchTunable", {{"name", name}});
}

absl::Status CheckValue(const TunableInfo& info, const std::string& value) {
  absl::Status status = ParseTunable(info, value).status();
  if (status.ok()) return status;
  Json parameters = {{"name", info.name}, {"value", value}};
  if (info.choices.empty()) {
    parameters.update({{"minimum", info.minimum}, {"maximum", info.maximum}});
  } else {
    parameters["choices"] = info.choices;
  }
  return AsAdminError(std::move(status), "InvalidValue", parameters);
}

// Of a change that was checked for all but the rules between values.
absl::Status RuleError(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? AsAdminError(status, "RuleBroken", Json::object())
                                         : status;
}

}  // namespace

absl::StatusOr<TunableScope> AdminTunables::ScopeOf(const Json& request) const {
  TunableScope scope = {.vm = CleanVmName(TextField(request, "vm"))};
  if (scope.vm.size() > kMaxVmName) {
    return absl::InvalidArgumentError(
        absl::StrCat("a VM's name has at most ", kMaxVmName, " bytes"));
  }
  ASSIGN_OR_RETURN(scope.uid, UserField(request));
  if (scope.uid && !scope.vm.empty()) {
    return absl::InvalidArgumentError("a value is for a VM or for a user, not for both");
  }
  if (scope.vm.empty() || Flag(request, "future") || config_.tunables().Find(scope) != nullptr) {
    return scope;
  }
  for (const auto& [pid, vm] : registry_.vms()) {
    if (vm->name == scope.vm) return scope;
  }
  return AsAdminError(absl::NotFoundError(absl::StrCat(
                          "no VM '", scope.vm, "' runs here: pvschedctl vm list has the names; ",
                          "--future is for a VM that does not run yet")),
                      "NoSuchVm", {{"vm", scope.vm}});
}

absl::Status AdminTunables::CheckEffect(const TunableScope& scope, const TunableStore& changed,
                                        const TunableMap& values) const {
  std::optional<uid_t> user;
  for (const auto& [pid, vm] : registry_.vms()) {
    if (scope.vm.empty() || vm->name != scope.vm) continue;
    user = vm->uid;
    const TunableValues held = changed.ForVm(vm->name, vm->uid);
    bool holds = true;
    for (const auto& [index, value] : values) holds = holds && held[index] == value;
    if (holds) return absl::OkStatus();
  }
  if (!user) return absl::OkStatus();
  const std::optional<uid_t> owner = changed.Find(scope)->owner;
  const std::string why =
      owner ? absl::StrCat(scope.Table(), " is for VMs of user ", *owner)
            : absl::StrCat(TunableScope{.uid = user}.Table(), " overrides ", scope.Table(),
                           ", which has no uid; use --uid, or ", "set uid in the file");
  return AsAdminError(
      absl::FailedPreconditionError(absl::StrCat("it would not hold for the running VM ", scope.vm,
                                                 " of user ", *user, ": ", why)),
      "Overridden", {{"vm", scope.vm}, {"uid", *user}});
}

absl::Status AdminTunables::Set(const TunableScope& scope, const Json& request) {
  const std::string name = TextField(request, "name");
  const std::string value = TextField(request, "value");
  ASSIGN_OR_RETURN(const size_t index, NamedTunable(name));
  RETURN_IF_ERROR(CheckValue(TunableInfos()[index], value));
  TunableStore changed = config_.tunables();
  if (const absl::Status status = changed.Set(scope, name, value); !status.ok()) {
    return AsAdminError(status, "HostOnly", {{"name", name}});
  }
  RETURN_IF_ERROR(CheckEffect(scope, changed, {{index, changed.Find(scope)->values.at(index)}}));
  RETURN_IF_ERROR(RuleError(config_.Set(scope, name, value)));
  LOG(INFO) << "tunable " << name << " = " << value << " under " << scope.Table();
  return absl::OkStatus();
}

absl::Status AdminTunables::SetProfile(const TunableScope& scope, const std::string& profile) {
  TunableStore changed = config_.tunables();
  if (const absl::Status status = changed.SetProfile(scope, profile); !status.ok()) {
    return AsAdminError(status, "NoSuchProfile", {{"profile", profile}});
  }
  changed.DropValuesOfProfile(scope);
  RETURN_IF_ERROR(CheckEffect(scope, changed, changed.profiles().at(profile)));
  RETURN_IF_ERROR(RuleError(config_.SetProfile(scope, profile)));
  LOG(INFO) << "profile " << profile << " under " << scope.Table();
  return absl::OkStatus();
}

absl::Status AdminTunables::Reset(const TunableScope& scope, const Json& request) {
  if (Flag(request, "all")) {
    RETURN_IF_ERROR(config_.ResetAll());
    LOG(INFO) << "all tunables are what the configuration file says";
    return absl::OkStatus();
  }
  std::optional<size_t> index;
  const std::string name = TextField(request, "name");
  if (!name.empty()) {
    ASSIGN_OR_RETURN(index, NamedTunable(name));
  }
  RETURN_IF_ERROR(RuleError(config_.Reset(scope, index)));
  LOG(INFO) << (name.empty() ? "all tunables" : "tunable " + name) << " under " << scope.Table()
            << ": what the configuration file says";
  return absl::OkStatus();
}

Json AdminTunables::List(const TunableScope& scope) const {
  const TunableStore& store = config_.tunables();
  TunableValues values = scope.uid ? store.ForVm("", *scope.uid) : store.ForHost();
  if (!scope.vm.empty()) {
    const TunableSection* const section = store.Find(scope);
    uid_t uid = section != nullptr ? section->owner.value_or(static_cast<uid_t>(-1))
                                   : static_cast<uid_t>(-1);
    for (const auto& [pid, vm] : registry_.vms()) {
      if (vm->name == scope.vm) uid = vm->uid;
    }
    values = store.ForVm(scope.vm, uid);
  }
  Json list = Json::array();
  for (size_t i = 0; i < values.size(); ++i) {
    const TunableInfo& info = TunableInfos()[i];
    list.push_back({{"name", info.name},
                    {"value", FormatTunable(info, values[i])},
                    {"unit", info.unit},
                    {"default", FormatTunable(info, info.default_value)},
                    {"help", info.help}});
  }
  return {{"tunables", std::move(list)}};
}

Json AdminTunables::Profiles() const {
  Json list = Json::array();
  for (const auto& [name, values] : config_.tunables().profiles()) {
    Json json = {{"profile", name}, {"values", Json::object()}};
    for (const auto& [index, value] : values) {
      const TunableInfo& info = TunableInfos()[index];
      json["values"][std::string(info.name)] = FormatTunable(info, value);
    }
    list.push_back(std::move(json));
  }
  return {{"profiles", std::move(list)}};
}

absl::StatusOr<Json> AdminTunables::Handle(AdminMethod method, const Json& request) {
  if (method == AdminMethod::kListProfiles) return Profiles();
  if (method == AdminMethod::kSaveTunables) return Json{{"toml", config_.Save()}};
  ASSIGN_OR_RETURN(const TunableScope scope, ScopeOf(request));
  if (method == AdminMethod::kListTunables) return List(scope);
  if (method == AdminMethod::kSetTunable) {
    RETURN_IF_ERROR(Set(scope, request));
  } else if (method == AdminMethod::kResetTunables) {
    RETURN_IF_ERROR(Reset(scope, request));
  } else {
    RETURN_IF_ERROR(SetProfile(scope, TextField(request, "profile")));
  }
  return Json::object();
}

}  // namespace pvsched
