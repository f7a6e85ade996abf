// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/running_config.h"

#include <set>
#include <string>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

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

RunningConfig::RunningConfig(ConfigSource source, Config started, Registry& registry)
    : source_(std::move(source)), started_(std::move(started)), registry_(registry) {}

absl::Status RunningConfig::Reload() {
  ASSIGN_OR_RETURN(Config read, LoadConfig(source_));
  RETURN_IF_ERROR(registry_.SetTunables(std::move(read.tunables)));
  WarnOfRestart("[pvschedd]", WithDefaults(started_.service), WithDefaults(read.service));
  WarnOfRestart("[scx]", AsTexts(started_.scx_params), AsTexts(read.scx_params));
  return absl::OkStatus();
}

}  // namespace pvsched
