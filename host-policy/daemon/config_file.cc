// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/config_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/errno_status.h"
#include "common/unique_fd.h"
#include "host-policy/daemon/account_names.h"
#include "host-policy/daemon/vm_name.h"
#include "toml++/toml.hpp"

namespace pvsched {
namespace {

constexpr size_t kMaxConfigSize = size_t{1} << 20;

// The thread that ends boosts has the priority that the file and the options say.
void SetActuatorPriority(const ServiceKeys& options, Config& config) {
  ServiceKeys keys = options;
  keys.insert(config.service.begin(), config.service.end());
  config.tunables.SetActuatorPriority(ActuatorPriority(ToServiceConfig(keys)));
}

class Reader {
 public:
  // `options` override the file's service keys.
  Reader(const std::string& path, const ServiceKeys& options, Config& config)
      : path_(path), options_(options), config_(config) {}

  // The error has a line for each fault, in the order of the file.
  absl::Status ReadFile(const toml::table& file);

 private:
  // Called for each key of a table.
  using OnEntry = std::function<absl::Status(const std::string& name, const toml::node& node)>;

  // Called for each table [KIND.NAME] of a kind.
  using OnNamedTable = std::function<void(const std::string& name, absl::string_view heading,
                                          const toml::table& table)>;

  void AddFault(uint32_t line, absl::string_view message) {
    faults_.emplace(line, absl::StrCat(path_, ":", line, ": ", message));
  }
  void ReadTable(const toml::table& table, absl::string_view heading, const OnEntry& on_entry);
  void ReadNamed(const toml::table& file, absl::string_view kind, const OnNamedTable& on_table);
  void ReadTables(const toml::table& file);
  void ReadService(const toml::table& table);
  absl::Status SetIn(const TunableScope& scope, const std::string& name, const toml::node& node);
  void ReadScope(const TunableScope& scope, absl::string_view heading, const toml::table& table);
  void ReadUser(const std::string& user, absl::string_view heading, const toml::table& table);
  void ReadVm(const std::string& name, absl::string_view heading, const toml::table& table);
  void ReadProfile(const std::string& profile, absl::string_view heading, const toml::table& table);
  void ReadScx(const toml::table& table);

  const std::string& path_;
  const ServiceKeys& options_;
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

absl::Status Reader::SetIn(const TunableScope& scope, const std::string& name,
                           const toml::node& node) {
  if (node.is_table()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is a table: a name with a dot needs quotes, as in [vm.\"a.b\"]"));
  }
  ASSIGN_OR_RETURN(const std::string text, ValueText(name, node));
  if (name == "profile") return config_.tunables.SetProfile(scope, text);
  if (name == "uid" && !scope.vm.empty()) {
    ASSIGN_OR_RETURN(const uid_t uid, FindUser(text));
    config_.tunables.SetOwner(scope.vm, uid);
    return absl::OkStatus();
  }
  return config_.tunables.Set(scope, name, text);
}

void Reader::ReadScope(const TunableScope& scope, absl::string_view heading,
                       const toml::table& table) {
  ReadTable(table, heading, [&](const std::string& name, const toml::node& node) {
    return SetIn(scope, name, node);
  });
  table_lines_[scope.Table()] = table.source().begin.line;
}

void Reader::ReadUser(const std::string& user, absl::string_view heading,
                      const toml::table& table) {
  const uint32_t line = table.source().begin.line;
  const absl::StatusOr<uid_t> uid = FindUser(user);
  if (!uid.ok()) return AddFault(line, absl::StrCat(heading, " ", uid.status().message()));
  const TunableScope scope = {.uid = *uid};
  if (table_lines_.contains(scope.Table())) {
    return AddFault(line, absl::StrCat(heading, " is a second table for the user ", *uid));
  }
  ReadScope(scope, heading, table);
}

void Reader::ReadVm(const std::string& name, absl::string_view heading, const toml::table& table) {
  const uint32_t line = table.source().begin.line;
  const TunableScope scope = {.vm = CleanVmName(name)};
  if (scope.vm.size() > kMaxVmName) {
    return AddFault(line, absl::StrCat(heading, " is longer than ", kMaxVmName, " bytes"));
  }
  if (table_lines_.contains(scope.Table())) {
    return AddFault(line, absl::StrCat(heading, " is a second table for the VM ", scope.vm));
  }
  ReadScope(scope, heading, table);
}

void Reader::ReadProfile(const std::string& profile, absl::string_view heading,
                         const toml::table& table) {
  config_.tunables.DefineProfile(profile);
  ReadTable(table, heading, [&](const std::string& name, const toml::node& node) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string text, ValueText(name, node));
    return config_.tunables.SetInProfile(profile, name, text);
  });
}

void Reader::ReadNamed(const toml::table& file, absl::string_view kind,
                       const OnNamedTable& on_table) {
  const toml::table* const tables = file[std::string(kind)].as_table();
  if (tables == nullptr) return;
  for (const auto& [name, node] : *tables) {
    const toml::table* table = node.as_table();
    // An empty name would mean the host.
    if (table == nullptr || name.str().empty()) {
      AddFault(name.source().begin.line, absl::StrCat("a table here is [", kind, ".NAME]"));
    } else {
      const std::string text(name.str());
      on_table(text, absl::StrCat("[", kind, ".", text, "]"), *table);
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
  static constexpr absl::string_view kTables[] = {"pvschedd", "host", "profile",
                                                  "uid",      "vm",   "scx"};
  for (const auto& [key, node] : file) {
    const absl::string_view name(key.str().data(), key.str().size());
    if (node.is_table() && std::count(std::begin(kTables), std::end(kTables), name) != 0) continue;
    AddFault(key.source().begin.line,
             absl::StrCat("'", name, "' is none of [pvschedd], [host], [profile.NAME], ",
                          "[uid.USER], [vm.NAME] and [scx]"));
  }
  if (const toml::table* table = file["pvschedd"].as_table()) ReadService(*table);
  // The other tables name profiles.
  ReadNamed(file, "profile",
            [this](const std::string& name, absl::string_view heading, const toml::table& table) {
              ReadProfile(name, heading, table);
            });
  if (const toml::table* table = file["host"].as_table()) ReadScope({}, "[host]", *table);
  ReadNamed(file, "uid",
            [this](const std::string& name, absl::string_view heading, const toml::table& table) {
              ReadUser(name, heading, table);
            });
  ReadNamed(file, "vm",
            [this](const std::string& name, absl::string_view heading, const toml::table& table) {
              ReadVm(name, heading, table);
            });
  if (const toml::table* table = file["scx"].as_table()) ReadScx(*table);
}

absl::Status Reader::ReadFile(const toml::table& file) {
  ReadTables(file);
  if (faults_.empty()) {
    SetActuatorPriority(options_, config_);
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

absl::StatusOr<Config> LoadFile(const std::string& path, const ServiceKeys& options) {
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
  RETURN_IF_ERROR(Reader(path, options, config).ReadFile(file));
  return config;
}

}  // namespace

absl::StatusOr<Config> LoadConfig(const std::string& path) { return LoadFile(path, {}); }

absl::StatusOr<Config> LoadConfig(const ConfigSource& source) {
  if (!source.path.empty()) return LoadFile(source.path, source.service);
  if (access(kDefaultConfigPath, F_OK) == 0) return LoadFile(kDefaultConfigPath, source.service);
  Config config;
  SetActuatorPriority(source.service, config);
  if (const auto violation = config.tunables.FindViolation()) {
    return absl::InvalidArgumentError(violation->message);
  }
  return config;
}

Config WithOptions(Config config, const ConfigSource& source) {
  for (const auto& [name, text] : source.service) config.service[name] = text;
  for (const auto& [name, value] : source.scx_params) config.scx_params[name] = value;
  return config;
}

}  // namespace pvsched
