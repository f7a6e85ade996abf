// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ADMIN_COMMANDS_H_
#define PVSCHED_HOST_POLICY_DAEMON_ADMIN_COMMANDS_H_

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>

#include "absl/strings/string_view.h"

namespace pvsched {

// The requests of pvschedctl that pvschedd answers.
enum class AdminCommand {
  kVmList,
  kVcpuList,
  kStats,
  kTunableList,
  kTunableSet,
  kTunableReset,
  kTunableSave,
  kProfileList,
  kProfileSet,
  kPolicyShow,
  kPolicyLoad,
  kSchedulerStatus,
  kTrace,
};

enum class AdminAccess {
  kChange,  // only the admin socket
  kRead,    // the read socket, too
};

struct AdminCommandInfo {
  AdminCommand command;
  absl::string_view name;
  AdminAccess access;
};

// A new command needs a row: pvschedd does not know it by another way.
inline constexpr AdminCommandInfo kAdminCommands[] = {
    {AdminCommand::kVmList, "vm list", AdminAccess::kRead},
    {AdminCommand::kVcpuList, "vcpu list", AdminAccess::kRead},
    {AdminCommand::kStats, "stats", AdminAccess::kRead},
    {AdminCommand::kTunableList, "tunable list", AdminAccess::kRead},
    {AdminCommand::kTunableSet, "tunable set", AdminAccess::kChange},
    {AdminCommand::kTunableReset, "tunable reset", AdminAccess::kChange},
    {AdminCommand::kTunableSave, "tunable save", AdminAccess::kRead},
    {AdminCommand::kProfileList, "profile list", AdminAccess::kRead},
    {AdminCommand::kProfileSet, "profile set", AdminAccess::kChange},
    {AdminCommand::kPolicyShow, "policy show", AdminAccess::kRead},
    {AdminCommand::kPolicyLoad, "policy load", AdminAccess::kChange},
    {AdminCommand::kSchedulerStatus, "scheduler status", AdminAccess::kRead},
    // The BPF programs do more while a trace runs.
    {AdminCommand::kTrace, "trace", AdminAccess::kChange},
};

inline std::optional<AdminCommand> FindAdminCommand(absl::string_view name) {
  const auto* const found = std::ranges::find(kAdminCommands, name, &AdminCommandInfo::name);
  if (found == std::end(kAdminCommands)) return std::nullopt;
  return found->command;
}

// Whether the read socket answers the request.
inline bool IsReadCommand(absl::string_view name) {
  return std::ranges::any_of(kAdminCommands, [name](const AdminCommandInfo& info) {
    return info.name == name && info.access == AdminAccess::kRead;
  });
}

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ADMIN_COMMANDS_H_
