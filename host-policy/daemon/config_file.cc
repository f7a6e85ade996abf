// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/config_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

  // The error has a line for each fault, in the order of the file.
  absl::Status ReadFile(const toml::table& file);

 private:
  // Called for each key of a table.
  using OnEntry = std::function<absl::Status(const std::string& name, const toml::node& node)>;

  void AddFault(uint32_t line, absl::string_view message) {
    faults_.emplace(line, absl::StrCat(path_, ":", line, ": ", message));
  }
  void ReadTable(const toml::table& table, absl::string_view heading, const OnEntry& on_entry);
  void ReadTables(const toml::table& file);
  void ReadService(const toml::table& table);
  void ReadHost(const toml::table& table);
  void ReadVms(const toml::table& table);
  void ReadVm(const std::string& vm, const toml::table& table);
  void ReadScx(const toml::table& table);

  const std::string& path_;
  Config& config_;
  std::multimap<uint32_t, std::string> faults_;               // by line
  std::map<std::string, uint32_t, std::less<>> table_lines_;  // by heading
};

// The text of an integer or a string.
absl::StatusOr<std::string> ValueText(const std::string& name, const toml::node& node) {
  if (node.is_string()) return *node.value<std::string>();
  if (node.is_integer()) return absl::StrCat(*node.value<int64_t>());
  return absl::InvalidArgumentError(absl::StrCat(name, " needs an integer or a string"));
}

void Reader::ReadTable(const toml::table& table, absl::string_view heading,
                       const OnEntry& on_entry) {
  table_lines_[std::string(heading)] = table.source().begin.line;
  for (const auto& [key, node] : table) {
    const absl::Status status = on_entry(std::string(key.str()), node);
    if (!status.ok()) {
      AddFault(key.source().begin.line, absl::StrCat(heading, " ", status.message()));
    }
  }
}

void Reader::ReadService(const toml::table& table) {
  ReadTable(table, "[pvschedd]",
            [this](const std::string& name, const toml::node& node) -> absl::Status {
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

void Reader::ReadHost(const toml::table& table) {
  ReadTable(table, "[host]", [this](const std::string& name, const toml::node& node) {
    ASSIGN_OR_RETURN(const std::string text, ValueText(name, node));
    return config_.tunables.SetUnchecked("", name, text);
  });
}

void Reader::ReadVm(const std::string& vm, const toml::table& table) {
  ReadTable(table, absl::StrCat("[vm.", vm, "]"),
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

void Reader::ReadVms(const toml::table& table) {
  for (const auto& [name, vm] : table) {
    const toml::table* vm_table = vm.as_table();
    // An empty name would mean the host.
    if (vm_table == nullptr || name.str().empty()) {
      AddFault(name.source().begin.line, "a VM's table is [vm.NAME]");
    } else {
      ReadVm(std::string(name.str()), *vm_table);
    }
  }
}

void Reader::ReadScx(const toml::table& table) {
  ReadTable(table, "[scx]", [this](const std::string& name, const toml::node& node) {
    ASSIGN_OR_RETURN(const std::string text, ValueText(name, node));
    return SetScxParam(config_.scx_params, name, text);
  });
}

void Reader::ReadTables(const toml::table& file) {
  for (const auto& [key, node] : file) {
    const toml::table* table = node.as_table();
    if (table != nullptr && key.str() == "pvschedd") {
      ReadService(*table);
    } else if (table != nullptr && key.str() == "host") {
      ReadHost(*table);
    } else if (table != nullptr && key.str() == "vm") {
      ReadVms(*table);
    } else if (table != nullptr && key.str() == "scx") {
      ReadScx(*table);
    } else {
      AddFault(key.source().begin.line,
               absl::StrCat("'", std::string(key.str()),
                            "' is none of [pvschedd], [host], [vm.NAME] and [scx]"));
    }
  }
}

absl::Status Reader::ReadFile(const toml::table& file) {
  ReadTables(file);
  if (faults_.empty()) {
    // A faulty value was not set, and could seem to break a rule.
    if (const std::optional<TunableStore::Violation> violation = config_.tunables.FindViolation()) {
      const auto line = table_lines_.find(violation->table);
      AddFault(line != table_lines_.end() ? line->second : 1,
               absl::StrCat(violation->table, " ", violation->message));
    }
  }
  if (faults_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(
      faults_, "\n", [](std::string* out, const auto& fault) { out->append(fault.second); }));
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
