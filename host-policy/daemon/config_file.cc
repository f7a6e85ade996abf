// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/config_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/errno_status.h"
#include "common/unique_fd.h"
#include "toml++/toml.hpp"

namespace pvsched {
namespace {

constexpr size_t kMaxConfigSize = size_t{1} << 20;

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
  absl::Status ReadService(const toml::table& table);
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

absl::Status Reader::ReadService(const toml::table& table) {
  return ReadTable(
      table, "[pvschedd]", [this](const std::string& name, const toml::node& node) -> absl::Status {
        const ServiceKeyInfo* info = FindServiceKey(name);
        // An integer 0660 would be no octal number.
        if (info != nullptr && !info->is_integer && !node.is_string()) {
          return absl::InvalidArgumentError(absl::StrCat(name, " needs a string"));
        }
        ASSIGN_OR_RETURN(const std::string text, ValueText(name, node));
        if (info != nullptr && info->is_path && !text.empty() && !text.starts_with('/')) {
          return absl::InvalidArgumentError(
              absl::StrCat(name, " needs an absolute path, not '", text, "'"));
        }
        return SetServiceKey(config_.service, name, text);
      });
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
    if (table != nullptr && key.str() == "pvschedd") {
      status = ReadService(*table);
    } else if (table != nullptr && key.str() == "host") {
      status = ReadHost(*table);
    } else if (table != nullptr && key.str() == "vm") {
      status = ReadVms(*table);
    } else if (table != nullptr && key.str() == "scx") {
      status = ReadScx(*table);
    } else {
      status = Error(key, absl::StrCat("'", std::string(key.str()),
                                       "' is none of [pvschedd], [host], [vm.NAME] and [scx]"));
    }
    if (!status.ok()) return status;
  }
  if (absl::Status status = config_.tunables.CheckRules(); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", status.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, absl::StrCat("cannot read ", path));
  std::string text;
  char chunk[16384];
  ssize_t size = 0;
  while ((size = read(fd.get(), chunk, sizeof(chunk))) > 0) {
    text.append(chunk, static_cast<size_t>(size));
    if (text.size() > kMaxConfigSize) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": longer than ", kMaxConfigSize, " bytes"));
    }
  }
  if (size < 0) return ErrnoStatus(errno, absl::StrCat("cannot read ", path));
  return text;
}

}  // namespace

absl::StatusOr<Config> LoadConfig(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  // Parsing without exceptions is a build option of the library, which Debian
  // does not set.
  toml::table file;
  try {
    file = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", error.source().begin.line, ": ", std::string(error.description())));
  }
  Config config;
  RETURN_IF_ERROR(Reader(path, config).ReadFile(file));
  return config;
}

absl::StatusOr<Config> LoadConfig(const ConfigSource& source) {
  Config config;
  const bool has_default = access(kDefaultConfigPath, F_OK) == 0;
  if (!source.path.empty() || has_default) {
    ASSIGN_OR_RETURN(config, LoadConfig(source.path.empty() ? kDefaultConfigPath : source.path));
  }
  for (const auto& [name, text] : source.service) config.service[name] = text;
  for (const auto& [name, value] : source.scx_params) config.scx_params[name] = value;
  return config;
}

}  // namespace pvsched
