// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/config_text.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "host-policy/daemon/service_config.h"
#include "host-policy/daemon/tunables.h"
#include "host-policy/loader/scx_params.h"

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
# A VM can have values of its own. With `uid` they are for a VM of that user only: a device
# chooses the name of its VM itself.
#[vm.NAME]
#uid = 1000
#budget = 500
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

}  // namespace

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
