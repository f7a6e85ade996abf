// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ADMIN_METHODS_H_
#define PVSCHED_HOST_POLICY_DAEMON_ADMIN_METHODS_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace pvsched {

// The methods of io.pvsched.Admin, in the order of kAdminMethods.
enum class AdminMethod {
  kListVms,
  kListVcpus,
  kGetStats,
  kListTunables,
  kSetTunable,
  kResetTunables,
  kSaveTunables,
  kListProfiles,
  kSetProfile,
  kGetPolicy,
  kLoadPolicy,
  kResetPolicy,
  kGetScheduler,
  kTrace,
};

enum class AdminAccess {
  kChange,  // only the admin socket
  kRead,    // the read socket, too
};

struct AdminMethodInfo {
  AdminMethod method;
  absl::string_view name;     // on the wire
  absl::string_view command;  // of pvschedctl
  AdminAccess access;
};

// A new method needs a row, and a definition in admin_interface.c.
inline constexpr AdminMethodInfo kAdminMethods[] = {
    {AdminMethod::kListVms, "ListVms", "vm list", AdminAccess::kRead},
    {AdminMethod::kListVcpus, "ListVcpus", "vcpu list", AdminAccess::kRead},
    {AdminMethod::kGetStats, "GetStats", "stats", AdminAccess::kRead},
    {AdminMethod::kListTunables, "ListTunables", "tunable list", AdminAccess::kRead},
    {AdminMethod::kSetTunable, "SetTunable", "tunable set", AdminAccess::kChange},
    {AdminMethod::kResetTunables, "ResetTunables", "tunable reset", AdminAccess::kChange},
    {AdminMethod::kSaveTunables, "SaveTunables", "tunable save", AdminAccess::kRead},
    {AdminMethod::kListProfiles, "ListProfiles", "profile list", AdminAccess::kRead},
    {AdminMethod::kSetProfile, "SetProfile", "profile set", AdminAccess::kChange},
    {AdminMethod::kGetPolicy, "GetPolicy", "policy show", AdminAccess::kRead},
    {AdminMethod::kLoadPolicy, "LoadPolicy", "policy load", AdminAccess::kChange},
    {AdminMethod::kResetPolicy, "ResetPolicy", "policy reset", AdminAccess::kChange},
    {AdminMethod::kGetScheduler, "GetScheduler", "scheduler status", AdminAccess::kRead},
    // The BPF programs do more while a trace runs.
    {AdminMethod::kTrace, "Trace", "trace", AdminAccess::kChange},
};

constexpr const AdminMethodInfo& InfoOf(AdminMethod method) {
  return kAdminMethods[static_cast<size_t>(method)];
}

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ADMIN_METHODS_H_
