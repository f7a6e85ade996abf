// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/tunable_commands.h"

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "host-policy/ctl/json_output.h"
#include "host-policy/ctl/new_file.h"
#include "host-policy/ctl/tables.h"
#include "host-policy/daemon/account_names.h"
#include "host-policy/daemon/tunables.h"

namespace pvsched {
namespace {

// The VM or user that a request is for.
Json ScopeOf(const Invocation& run) {
  Json scope = Json::object();
  uid_t uid = 0;
  if (!run.vm.empty()) scope["vm"] = run.vm;
  if (absl::SimpleAtoi(run.uid, &uid)) scope["uid"] = uid;
  if (run.is_future) scope["future"] = true;
  return scope;
}

absl::Status Get(const Invocation& run) {
  ASSIGN_OR_RETURN(const Json reply,
                   AdminClient(run.socket_path).Ask(AdminMethod::kListTunables, ScopeOf(run)));
  for (const Json& tunable : reply.value("tunables", Json::array())) {
    if (tunable.value("name", "") != run.name) continue;
    fputs(run.as_json ? JsonText(WithFormat(tunable)).c_str()
                      : (tunable.value("value", "") + "\n").c_str(),
          stdout);
  }
  return absl::OkStatus();
}

absl::Status Set(const Invocation& run) {
  ASSIGN_OR_RETURN(const size_t index, FindTunable(run.name));
  RETURN_IF_ERROR(ParseTunable(TunableInfos()[index], run.value).status());
  Json request = ScopeOf(run);
  request["name"] = run.name;
  request["value"] = run.value;
  return AdminClient(run.socket_path).Ask(AdminMethod::kSetTunable, request).status();
}

absl::Status Reset(const Invocation& run) {
  Json request = ScopeOf(run);
  if (!run.name.empty()) request["name"] = run.name;
  request["all"] = run.is_all;
  return AdminClient(run.socket_path).Ask(AdminMethod::kResetTunables, request).status();
}

absl::Status Save(const Invocation& run) {
  ASSIGN_OR_RETURN(const Json saved, AdminClient(run.socket_path).Ask(AdminMethod::kSaveTunables));
  const std::string text = saved.value("toml", "");
  if (!run.path.empty()) return WriteNewFile(run.path, text, run.is_forced);
  fputs((run.as_json ? JsonText(WithFormat(saved)) : text).c_str(), stdout);
  return absl::OkStatus();
}

absl::Status SetProfile(const Invocation& run) {
  Json request = ScopeOf(run);
  request["profile"] = run.name;
  return AdminClient(run.socket_path).Ask(AdminMethod::kSetProfile, request).status();
}

std::string CheckTunableName(std::string& name) {
  return std::string(FindTunable(name).status().message());
}

// pvschedd gets the id: its databases need not be those of this process.
std::string ResolveUser(std::string& user) {
  const absl::StatusOr<uid_t> uid = FindUser(user);
  if (!uid.ok()) return std::string(uid.status().message());
  user = absl::StrCat(*uid);
  return "";
}

void AddScope(CLI::App& command, Invocation& run, const char* vm_help, const char* user_help) {
  CLI::Option* const vm = command.add_option("--vm", run.vm, vm_help)->type_name("NAME");
  CLI::Option* const uid = command.add_option("--uid", run.uid, user_help)
                               ->type_name("USER")
                               ->transform(CLI::Validator(ResolveUser, ""))
                               ->excludes(vm);
  vm->excludes(uid);
  command.add_flag("--future", run.is_future, "Accept the name of a VM that does not run yet")
      ->needs(vm);
}

CLI::Option* AddName(CLI::App& command, Invocation& run) {
  return command.add_option("NAME", run.name, "As tunable list has it")
      ->type_name("")
      ->check(CLI::Validator(CheckTunableName, ""));
}

}  // namespace

void AddTunableCommands(CLI::App& app, Invocation& run) {
  CLI::App* tunable = AddGroup(app, "tunable", "Caps, budgets and priorities");
  CLI::App* list = tunable->add_subcommand("list", "Every tunable, its value and its meaning");
  AddScope(*list, run, "The values for this VM", "The values for a VM of this user");
  list->add_flag("--markdown", run.as_markdown, "The reference table, in Markdown");
  list->final_callback([&run] {
    if (run.as_markdown) {
      fputs(TunablesAsMarkdown().c_str(), stdout);
      return;
    }
    run.status = Print(run, AdminMethod::kListTunables, TunableTable, "tunables", ScopeOf(run));
  });
  CLI::App* get = tunable->add_subcommand("get", "The value of a tunable");
  AddName(*get, run)->required();
  AddScope(*get, run, "The value for this VM", "The value for a VM of this user");
  get->final_callback([&run] { run.status = Get(run); });
  CLI::App* set = tunable->add_subcommand(
      "set", "Change a tunable until pvschedd ends or reads its configuration file again");
  AddName(*set, run)->required();
  set->add_option("VALUE", run.value, "In the tunable's unit")->type_name("")->required();
  AddScope(*set, run, "Change the value for this VM only", "Change the value for VMs of this user");
  set->final_callback([&run] { run.status = Set(run); });
  CLI::App* reset = tunable->add_subcommand(
      "reset", "Return to what the configuration file says: one tunable, or all of the host's");
  CLI::Option* const name = AddName(*reset, run);
  AddScope(*reset, run, "Reset the values for this VM", "Reset the values for VMs of this user");
  reset->add_flag("--all", run.is_all, "Reset all values: of the host, of all users and VMs")
      ->excludes(name)
      ->excludes("--vm")
      ->excludes("--uid");
  reset->final_callback([&run] { run.status = Reset(run); });
  CLI::App* save = tunable->add_subcommand(
      "save", "Write a configuration file (TOML) with all values in force that were set");
  save->add_option("FILE", run.path, "A new file; without it, standard output")->type_name("");
  save->add_flag("--force", run.is_forced, "Replace FILE if it exists");
  save->final_callback([&run] { run.status = Save(run); });
}

void AddProfileCommands(CLI::App& app, Invocation& run) {
  CLI::App* profile = AddGroup(app, "profile", "Named sets of tunables");
  AddShow(*profile, "list", "Every profile and its values", run, AdminMethod::kListProfiles,
          ProfileTable, "profiles");
  CLI::App* set = profile->add_subcommand(
      "set", "Give the host, a VM or a user's VMs all values of a profile, as tunable set does");
  set->add_option("PROFILE", run.name, "As profile list has it")->type_name("")->required();
  AddScope(*set, run, "Set the values for this VM only", "Set the values for VMs of this user");
  set->final_callback([&run] { run.status = SetProfile(run); });
}

}  // namespace pvsched
