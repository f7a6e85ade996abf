// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/config_text.h"

#include <cstdint>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "host-policy/daemon/profiles.h"
#include "host-policy/daemon/service_config.h"
#include "host-policy/daemon/tunables.h"
#include "host-policy/loader/scx_params.h"
#include "toml++/toml.hpp"

namespace pvsched {
namespace {

constexpr size_t kMaxColumns = 98;

constexpr char kIntroduction[] = R"(# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The configuration of pvschedd, in /etc/pvsched/pvsched.toml. Every key is optional. The lines
# that are commented out show the defaults.
#
# pvschedctl config check       checks the file, without pvschedd
# systemctl reload pvschedd     applies it: tunables at once, other keys at the next start

# What pvschedd reads at its start only. Options of its command line override these keys.
[pvschedd]
)";

constexpr char kHost[] = R"(
# Caps, budgets and priorities of every VM. `pvschedctl tunable set` changes them while pvschedd
# runs.
[host]
)";

constexpr char kVm[] = R"(
# A profile is a name for a set of tunables. [host], [uid.USER] and [vm.NAME] can name one, and
# override single values of it. "trusted" (the defaults) and "untrusted" need no table.
#[profile.audio]
#budget = 500
#max-rt-prio = 20

# Values for the VMs of a user, by name or id.
#[uid.1000]
#profile = "untrusted"

# Values for the VM of a name. With `uid` they are for a VM of that user only, and override the
# user's. A device chooses the name of its VM itself.
#[vm.NAME]
#uid = 1000
#profile = "audio"
#budget = 600
)";

constexpr char kScx[] = R"(
# Parameters of the scheduler (actuator scx), which pvschedd reads at its start only.
[scx]
)";

// The text as comment lines.
std::string Comment(absl::string_view text) {
  std::string comment;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    std::string wrapped = "#";
    for (const absl::string_view word : absl::StrSplit(line, ' ')) {
      if (wrapped.size() + 1 + word.size() > kMaxColumns) {
        absl::StrAppend(&comment, wrapped, "\n");
        wrapped = "#";
      }
      absl::StrAppend(&wrapped, " ", word);
    }
    absl::StrAppend(&comment, wrapped, "\n");
  }
  return comment;
}

std::string Entry(absl::string_view help, absl::string_view name, absl::string_view value) {
  return absl::StrCat("\n", Comment(help), "#", name, " = ", value, "\n");
}

std::string Quoted(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

std::string ServiceEntry(const ServiceKeyInfo& info, const ServiceConfig& defaults) {
  std::string value = info.default_value;
  if (info.name == "device-socket") value = defaults.device_socket;
  if (info.name == "admin-socket") value = defaults.admin_socket;
  if (info.name == "read-socket") value = defaults.read_socket;
  if (info.name == "device-socket-group") value = kDefaultSocketGroup;
  return Entry(info.help, info.name, info.is_integer ? value : Quoted(value));
}

std::string TunableEntry(const TunableInfo& info) {
  const std::string range = info.choices.empty()
                                ? absl::StrCat(info.minimum, " to ", info.maximum,
                                               info.unit.empty() ? "" : " ", info.unit)
                                : absl::StrJoin(info.choices, ", ");
  const std::string value = FormatTunable(info, info.default_value);
  return Entry(absl::StrCat(info.help, " (", range, info.is_host_only ? "; [host] only" : "", ")"),
               info.name, info.choices.empty() ? value : Quoted(value));
}

void Put(toml::table& table, const TunableMap& values) {
  for (const auto& [index, value] : values) {
    const TunableInfo& info = TunableInfos()[index];
    if (info.choices.empty()) {
      table.insert(std::string(info.name), value);
    } else {
      table.insert(std::string(info.name), FormatTunable(info, value));
    }
  }
}

toml::table SectionTable(const TunableSection& section) {
  toml::table table;
  if (section.owner) table.insert("uid", int64_t{*section.owner});
  if (!section.profile.empty()) table.insert("profile", section.profile);
  Put(table, section.values);
  return table;
}

toml::table ServiceTable(const ServiceKeys& keys) {
  toml::table table;
  for (const auto& [name, text] : keys) {
    int64_t value = 0;
    if (FindServiceKey(name)->is_integer && absl::SimpleAtoi(text, &value)) {
      table.insert(name, value);
    } else {
      table.insert(name, text);
    }
  }
  return table;
}

// Without the built-in profiles, unless the admin has redefined them.
toml::table ProfileTables(const TunableStore::Profiles& profiles) {
  toml::table tables;
  for (const auto& [name, values] : profiles) {
    const auto built_in = BuiltInProfiles().find(name);
    if (built_in != BuiltInProfiles().end() && built_in->second == values) continue;
    toml::table table;
    Put(table, values);
    tables.insert(name, std::move(table));
  }
  return tables;
}

}  // namespace

std::string ConfigText(const Config& config) {
  toml::table file;
  const auto put = [&file](const char* name, toml::table table) {
    if (!table.empty()) file.insert(name, std::move(table));
  };
  const TunableStore& tunables = config.tunables;
  toml::table users;
  for (const auto& [uid, section] : tunables.users()) {
    users.insert(absl::StrCat(uid), SectionTable(section));
  }
  toml::table vms;
  for (const auto& [name, section] : tunables.vms()) vms.insert(name, SectionTable(section));
  toml::table scx;
  for (const auto& [name, value] : config.scx_params) scx.insert(name, value);
  put("pvschedd", ServiceTable(config.service));
  put("host", SectionTable(*tunables.Find(TunableScope{})));
  put("profile", ProfileTables(tunables.profiles()));
  put("uid", std::move(users));
  put("vm", std::move(vms));
  put("scx", std::move(scx));
  std::ostringstream text;
  text << file << "\n";
  return text.str();
}

std::string DefaultConfigText() {
  std::string text = kIntroduction;
  const ServiceConfig defaults = ToServiceConfig({});
  for (const ServiceKeyInfo& info : ServiceKeyInfos()) text += ServiceEntry(info, defaults);
  text += kHost;
  for (const TunableInfo& info : TunableInfos()) text += TunableEntry(info);
  text += kVm;
  text += kScx;
  for (const ScxParamInfo& info : ScxParamInfos()) {
    text += Entry(
        absl::StrCat(info.help, " (", info.minimum, " to ", info.maximum, " ", info.unit, ")"),
        info.name, absl::StrCat(info.default_value));
  }
  return text;
}

}  // namespace pvsched
