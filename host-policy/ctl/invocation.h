// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_INVOCATION_H_
#define PVSCHED_HOST_POLICY_CTL_INVOCATION_H_

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "common/paths.h"
#include "host-policy/ctl/admin_client.h"

namespace pvsched {

// The options of all commands. A command's callback sets `status`.
struct Invocation {
  std::string socket_path = InDirectory(kDefaultStateDir, kAdminSocketName);
  bool as_json = false;
  std::string vm;
  std::string uid;
  bool is_future = false;
  bool is_all = false;
  bool is_forced = false;
  std::string name;
  std::string value;
  int rounds = 0;
  double interval = 1.0;
  bool is_batch = false;
  std::string sort = "vm";
  int seconds = 0;
  std::string path;
  bool as_markdown = false;
  bool as_textfile = false;
  absl::Status status;
};

using TableFunction = std::string (*)(const Json&);

// Prints pvschedd's reply as a table or as JSON. The table is of the member `list`, if that is
// named.
absl::Status Print(const Invocation& run, AdminMethod method, TableFunction table,
                   const char* list = "", const Json& parameters = Json::object());

// Prints a reply that the caller has.
absl::Status PrintResult(const Invocation& run, const Json& result, TableFunction table,
                         const char* list = "");

// A command whose subcommands do the work.
CLI::App* AddGroup(CLI::App& app, const char* name, const char* help);

// A command that prints pvschedd's reply to a method without parameters.
CLI::App* AddShow(CLI::App& parent, const char* name, const char* help, Invocation& run,
                  AdminMethod method, TableFunction table, const char* list = "");

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_INVOCATION_H_
