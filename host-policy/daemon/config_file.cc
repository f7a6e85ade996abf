// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/config_file.h"

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/errno_status.h"
#include "toml++/toml.hpp"

namespace pvsched {
namespace {

class Reader {
 public:
  Reader(const std::string& path, Config& config) : path_(path), config_(config) {}

  absl::Status ReadFile(const toml::table& file);

 private:
  // Called for each key of a table.
  using OnEntry = std::function<absl::Status(const std::string& name, const toml::node& node)>;

  absl::Status Error(const toml::key& key, absl::string_view message) const {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ":", key.source().begin.line, ": ", message));
  }

  absl::Status ReadTable(const toml::table& table, absl::string_view heading,
                         const OnEntry& on_entry) const;
  absl::Status ReadHost(const toml::table& table);
  absl::Status ReadVms(const toml::table& table);
  absl::Status ReadVm(const std::string& vm, const toml::table& table);
  absl::Status ReadScx(const toml::table& table);

  const std::string& path_;
  Config& config_;
};

// The text of an integer or a string.
absl::StatusOr<std::string> ValueText(const std::string& name, const toml::node& node) {
  if (node.is_string()) return *node.value<std::string>();
  if (node.is_integer()) return absl::StrCat(*node.value<int64_t>());
  return absl::InvalidArgumentError(absl::StrCat(name, " needs an integer or a string"));
}

absl::Status Reader::ReadTable(const toml::table& table, absl::string_view heading,
                               const OnEntry& on_entry) const {
  for (const auto& [key, node] : table) {
    if (absl::Status status = on_entry(std::string(key.str()), node); !status.ok()) {
      return Error(key, absl::StrCat(heading, " ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadHost(const toml::table& table) {
  return ReadTable(table, "[host]", [this](const std::string& name, const toml::node& node) {
    ASSIGN_OR_RETURN(const std::string text, ValueText(name, node));
    return config_.tunables.SetUnchecked("", name, text);
  });
}

absl::Status Reader::ReadVm(const std::string& vm, const toml::table& table) {
  return ReadTable(table, absl::StrCat("[vm.", vm, "]"),
                   [&](const std::string& name, const toml::node& node) -> absl::Status {
                     if (name == "uid") {
                       const std::optional<int64_t> uid = node.value<int64_t>();
                       if (!uid || *uid < 0) {
                         return absl::InvalidArgumentError("uid needs a user id");
                       }
                       config_.tunables.SetOwner(vm, static_cast<uid_t>(*uid));
                       return absl::OkStatus();
                     }
                     ASSIGN_OR_RETURN(const std::string text, ValueText(name, node));
                     return config_.tunables.SetUnchecked(vm, name, text);
                   });
}

absl::Status Reader::ReadVms(const toml::table& table) {
  for (const auto& [name, vm] : table) {
    const toml::table* vm_table = vm.as_table();
    // An empty name would mean the host.
    if (vm_table == nullptr || name.str().empty()) return Error(name, "a VM's table is [vm.NAME]");
    RETURN_IF_ERROR(ReadVm(std::string(name.str()), *vm_table));
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadScx(const toml::table& table) {
  return ReadTable(table, "[scx]", [this](const std::string& name, const toml::node& node) {
    ASSIGN_OR_RETURN(const std::string text, ValueText(name, node));
    return SetScxParam(config_.scx_params, name, text);
  });
}

absl::Status Reader::ReadFile(const toml::table& file) {
  for (const auto& [key, node] : file) {
    const toml::table* table = node.as_table();
    absl::Status status;
    if (table != nullptr && key.str() == "host") {
      status = ReadHost(*table);
    } else if (table != nullptr && key.str() == "vm") {
      status = ReadVms(*table);
    } else if (table != nullptr && key.str() == "scx") {
      status = ReadScx(*table);
    } else {
      status = Error(key, absl::StrCat("'", std::string(key.str()),
                                       "' is none of [host], [vm.NAME] and [scx]"));
    }
    if (!status.ok()) return status;
  }
  if (absl::Status status = config_.tunables.CheckRules(); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", status.message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Config> LoadConfig(const std::string& path) {
  // Parsing without exceptions is a build option of the library, which Debian
  // does not set.
  toml::table file;
  try {
    file = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", error.source().begin.line, ": ", std::string(error.description())));
  }
  Config config;
  RETURN_IF_ERROR(Reader(path, config).ReadFile(file));
  return config;
}

}  // namespace pvsched
