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
#include "host-policy/daemon/tunables.h"

namespace pvsched {

// The values that the admin has set, for the host and for VMs by name. A VM has
// its own value, else the host's, else the default.
//
// Thread-safety: one thread.
class TunableStore {
 public:
  TunableValues ForHost() const;
  TunableValues ForVm(absl::string_view name, uid_t uid) const;

  // Sets a value for the host if `vm` is empty. A value that breaks a rule of
  // CheckTunables(), for the host or for any VM, is refused and changes nothing.
  absl::Status Set(absl::string_view vm, absl::string_view name, absl::string_view text);

  // As Set(), without the rules: for a file, whose order does not matter.
  // FindViolation() follows.
  absl::Status SetUnchecked(absl::string_view vm, absl::string_view name, absl::string_view text);
  // The first table of the file whose values break a rule of CheckTunables().
  struct Violation {
    std::string table;  // "[host]", "[vm.NAME]"
    std::string message;
  };
  std::optional<Violation> FindViolation() const;

  // Restricts the VM's values to VMs of this user: devices choose their names.
  void SetOwner(absl::string_view vm, uid_t uid) { vms_[std::string(vm)].uid = uid; }

 private:
  struct Section {
    std::optional<uid_t> uid;
    std::map<size_t, int64_t> values;  // by index in TunableInfos()
  };

  Section host_;
  std::map<std::string, Section, std::less<>> vms_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_TUNABLE_STORE_H_
