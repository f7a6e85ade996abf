// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/invocation.h"

#include <cstdio>

#include "common/errno_status.h"
#include "host-policy/ctl/json_output.h"

namespace pvsched {

absl::Status Print(const Invocation& run, AdminMethod method, TableFunction table, const char* list,
                   const Json& parameters) {
  ASSIGN_OR_RETURN(const Json reply, AdminClient(run.socket_path).Ask(method, parameters));
  return PrintResult(run, *list != 0 ? reply.value(list, Json::array()) : reply, table, list);
}

absl::Status PrintResult(const Invocation& run, const Json& result, TableFunction table,
                         const char* list) {
  fputs((run.as_json ? JsonText(WithFormat(result, list)) : table(result)).c_str(), stdout);
  return absl::OkStatus();
}

CLI::App* AddGroup(CLI::App& app, const char* name, const char* help) {
  CLI::App* group = app.add_subcommand(name, help);
  group->require_subcommand(1);
  return group;
}

CLI::App* AddShow(CLI::App& parent, const char* name, const char* help, Invocation& run,
                  AdminMethod method, TableFunction table, const char* list) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->final_callback(
      [&run, method, table, list] { run.status = Print(run, method, table, list); });
  return command;
}

}  // namespace pvsched
