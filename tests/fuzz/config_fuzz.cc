// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// A configuration file. What pvschedd writes of a valid file is valid, and means the same.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "host-policy/daemon/config_file.h"
#include "host-policy/daemon/config_text.h"
#include "tests/fuzz/fuzz.h"

using pvsched::Config;
using pvsched::Require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto& file = *new pvsched::FuzzFile;
  file.Write({data, size});
  const absl::StatusOr<Config> config = pvsched::LoadConfig(file.path());
  if (!config.ok()) {
    Require(!config.status().message().empty(), "an error has a text");
    return 0;
  }
  const std::string text = pvsched::ConfigText(*config);
  file.Write({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  const absl::StatusOr<Config> again = pvsched::LoadConfig(file.path());
  Require(again.ok(), "a written configuration can be read");
  Require(again->service == config->service, "the service's keys survive");
  Require(again->tunables == config->tunables, "tunables survive");
  Require(again->scx_params == config->scx_params, "the scheduler's parameters survive");
  return 0;
}
