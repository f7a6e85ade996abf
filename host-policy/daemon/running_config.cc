// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/running_config.h"

#include <set>
#include <string>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "host-policy/daemon/config_text.h"

namespace pvsched {
namespace {

using Texts = ServiceKeys;

Texts WithDefaults(Texts keys) {
  for (const ServiceKeyInfo& info : ServiceKeyInfos()) keys.emplace(info.name, info.default_value);
  return keys;
}

Texts AsTexts(const ScxParams& params) {
  Texts texts;
  for (const auto& [name, value] : params) texts[name] = absl::StrCat(value);
  return texts;
}

std::string Shown(const Texts& texts, const std::string& name) {
  const auto it = texts.find(name);
  return it == texts.end() || it->second.empty() ? "its default" : it->second;
}

void WarnOfRestart(const char* table, const Texts& started, const Texts& read) {
  std::set<std::string> names;
  for (const auto& [name, text] : started) names.insert(name);
  for (const auto& [name, text] : read) names.insert(name);
  for (const std::string& name : names) {
    const std::string old_text = Shown(started, name);
    const std::string new_text = Shown(read, name);
    if (old_text == new_text) continue;
    LOG(WARNING) << table << " " << name << " = " << new_text
                 << " needs a restart of pvschedd; until then it is " << old_text;
  }
}

}  // namespace

RunningConfig::RunningConfig(ConfigSource source, Config file, Registry& registry)
    : source_(std::move(source)),
      started_(WithOptions(file, source_)),
      file_(std::move(file)),
      registry_(registry) {}

absl::Status RunningConfig::Reload() {
  ASSIGN_OR_RETURN(Config loaded, LoadConfig(source_));
  // The actuator's thread keeps its priority until a restart.
  loaded.tunables.SetActuatorPriority(ActuatorPriority(ToServiceConfig(started_.service)));
  RETURN_IF_ERROR(Apply(loaded.tunables));
  file_ = std::move(loaded);
  const Config read = WithOptions(file_, source_);
  WarnOfRestart("[pvschedd]", WithDefaults(started_.service), WithDefaults(read.service));
  WarnOfRestart("[scx]", AsTexts(started_.scx_params), AsTexts(read.scx_params));
  return absl::OkStatus();
}

std::string RunningConfig::Save() const {
  Config config = file_;
  config.tunables = registry_.tunables();
  return ConfigText(config);
}

absl::Status RunningConfig::Apply(TunableStore changed) {
  if (const auto violation = changed.FindViolation()) {
    return absl::InvalidArgumentError(absl::StrCat(violation->table, " ", violation->message));
  }
  return registry_.SetTunables(std::move(changed));
}

absl::Status RunningConfig::Set(const TunableScope& scope, absl::string_view name,
                                absl::string_view text) {
  TunableStore changed = registry_.tunables();
  RETURN_IF_ERROR(changed.Set(scope, name, text));
  return Apply(std::move(changed));
}

absl::Status RunningConfig::SetProfile(const TunableScope& scope, absl::string_view profile) {
  TunableStore changed = registry_.tunables();
  RETURN_IF_ERROR(changed.SetProfile(scope, profile));
  changed.DropValuesOfProfile(scope);
  return Apply(std::move(changed));
}

absl::Status RunningConfig::Reset(const TunableScope& scope, std::optional<size_t> tunable) {
  TunableStore changed = registry_.tunables();
  changed.Reset(scope, tunable, file_.tunables);
  return Apply(std::move(changed));
}

}  // namespace pvsched
