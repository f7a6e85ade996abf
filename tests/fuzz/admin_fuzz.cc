// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The parameters of an admin's calls: JSON, by which tunables and profiles are set and listed.
// Each line of the input is the digit of a method and a text. What is in force afterwards breaks
// no rule, and can be saved and read.

#include <systemd/sd-json.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/event_loop.h"
#include "host-policy/daemon/admin_error.h"
#include "host-policy/daemon/admin_tunables.h"
#include "host-policy/daemon/config_file.h"
#include "host-policy/daemon/running_config.h"
#include "host-policy/daemon/varlink_json.h"
#include "tests/fuzz/fake_registry.h"
#include "tests/fuzz/fuzz.h"

namespace pvsched {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kMethods = {AdminMethod::kListTunables,  AdminMethod::kSetTunable,
                                 AdminMethod::kResetTunables, AdminMethod::kSetProfile,
                                 AdminMethod::kListProfiles,  AdminMethod::kSaveTunables};

// As AdminServer::Answer() does.
void Call(AdminTunables& tunables, AdminMethod method, const std::string& text) {
  sd_json_variant* parsed = nullptr;
  sd_json_parse(text.c_str(), static_cast<sd_json_parse_flags_t>(0), &parsed, nullptr, nullptr);
  const Variant parameters(parsed);
  if (!parameters || !sd_json_variant_is_object(parameters.get())) return;  // libsystemd refuses it
  const Json request = FromVariant(parameters.get());
  if (!request.is_object()) return;
  const absl::StatusOr<Json> result = tunables.Handle(method, request);
  if (result.ok()) {
    Require(ToVariant(*result) != nullptr, "a reply can be sent");
    return;
  }
  const AdminError error = AdminErrorOf(result.status());
  Require(error.parameters.is_object(), "an error has parameters");
  Require(ToVariant(error.parameters) != nullptr, "an error can be sent");
}

void CheckSaved(const RunningConfig& config) {
  static auto& file = *new FuzzFile;
  const std::string text = config.Save();
  file.Write({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  const absl::StatusOr<Config> saved = LoadConfig(file.path());
  Require(saved.ok(), "saved tunables can be read");
  Require(saved->tunables.ForHost() == config.tunables().ForHost(), "the host's values are saved");
  Require(saved->tunables.users() == config.tunables().users(), "users' values are saved");
  Require(saved->tunables.vms() == config.tunables().vms(), "VMs' values are saved");
}

}  // namespace
}  // namespace pvsched

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pvsched::EventLoop loop;
  pvsched::Registry registry = pvsched::MakeFakeRegistry(loop);
  pvsched::AddFakeVm(registry, 1, 1000, "web");
  pvsched::AddFakeVm(registry, 2, 0, "db");
  pvsched::RunningConfig config({}, {}, registry);
  pvsched::AdminTunables tunables(registry, config);
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty()) continue;
    const size_t digit = static_cast<uint8_t>(line[0] - '0');
    pvsched::Call(tunables, pvsched::kMethods[digit % pvsched::kMethods.size()],
                  std::string(line.substr(1)));
  }
  pvsched::CheckSaved(config);
  return 0;
}
