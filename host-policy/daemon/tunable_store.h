// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_TUNABLE_STORE_H_
#define PVSCHED_HOST_POLICY_DAEMON_TUNABLE_STORE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "host-policy/core/sched_params.h"
#include "host-policy/daemon/tunables.h"

namespace pvsched {

// Which VMs a value is for: those of a name, those of a user, or all of the host.
struct TunableScope {
  std::string vm = {};
  std::optional<uid_t> uid = {};  // only if `vm` is empty

  bool is_host() const { return vm.empty() && !uid; }
  // The table of the configuration file: "[host]", "[uid.1000]", "[vm.NAME]".
  std::string Table() const;
};

// Values by index in TunableInfos().
using TunableMap = std::map<size_t, int64_t>;

// What the admin has set for one scope.
struct TunableSection {
  std::string profile;         // its values come first; empty: none
  TunableMap values;           // they override the profile's
  std::optional<uid_t> owner;  // of a VM's section: for VMs of this user only

  bool operator==(const TunableSection&) const = default;
};

// The values that the admin has set. Later ones override earlier ones: the
// defaults; the host's; a VM's by its name; its user's; a VM's by name and user.
// A device chooses the name of its VM, but not the user. So a name alone does
// not override what is set for a user.
//
// Thread-safety: one thread.
class TunableStore {
 public:
  using Users = std::map<uid_t, TunableSection>;
  using Vms = std::map<std::string, TunableSection, std::less<>>;
  using Profiles = std::map<std::string, TunableMap, std::less<>>;

  TunableStore();  // with the built-in profiles

  TunableValues ForHost() const;
  TunableValues ForVm(absl::string_view name, uid_t uid) const;

  // They check name and value, but no rule between values: the order of a file
  // does not matter. FindViolation() follows.
  absl::Status Set(const TunableScope& scope, absl::string_view name, absl::string_view text);
  absl::Status SetProfile(const TunableScope& scope, absl::string_view profile);
  // Leaves the scope no value of its own for a tunable that its profile sets.
  void DropValuesOfProfile(const TunableScope& scope);
  // Restricts a VM's section to VMs of this user.
  void SetOwner(absl::string_view vm, uid_t uid) { vms_[std::string(vm)].owner = uid; }

  // A profile without values, in place of any other of that name.
  void DefineProfile(absl::string_view profile) { profiles_[std::string(profile)] = {}; }
  absl::Status SetInProfile(absl::string_view profile, absl::string_view name,
                            absl::string_view text);

  // Makes the scope's value of this tunable, or all of its section, what it is
  // in `other`.
  void Reset(const TunableScope& scope, std::optional<size_t> tunable, const TunableStore& other);

  // See CheckTunables().
  void SetActuatorPriority(int priority) { actuator_priority_ = priority; }

  // The first table whose values break a rule of CheckTunables().
  struct Violation {
    std::string table;
    std::string message;
  };
  std::optional<Violation> FindViolation() const;

  // nullptr: the scope has no section.
  const TunableSection* Find(const TunableScope& scope) const;
  const Users& users() const { return users_; }
  const Vms& vms() const { return vms_; }
  const Profiles& profiles() const { return profiles_; }

  bool operator==(const TunableStore&) const = default;

 private:
  TunableSection& Section(const TunableScope& scope);
  void Apply(const TunableSection* section, TunableValues& values) const;

  TunableSection host_;
  Users users_;
  Vms vms_;
  Profiles profiles_;
  int actuator_priority_ = PVS_ACTUATOR_RT_PRIO;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_TUNABLE_STORE_H_
