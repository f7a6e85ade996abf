// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_TUNABLES_H_
#define PVSCHED_HOST_POLICY_DAEMON_TUNABLES_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host-policy/core/policy.h"

namespace pvsched {

// One thing that an admin can set, for the host and for each VM. This is the
// only place where its name, unit, range and default stand: the configuration
// file, pvschedctl, its help and docs/tunables.md all come from here.
struct TunableInfo {
  absl::string_view name;
  absl::string_view unit;  // "ms", "us", or empty for a number or a word
  absl::string_view help;
  int64_t minimum;
  int64_t maximum;
  int64_t default_value;
  // Words for the values from 0 on, where it takes words; else empty.
  std::vector<absl::string_view> words;
  bool is_hosts = false;  // of the host alone: no VM has its own
};
const std::vector<TunableInfo>& TunableInfos();

// docs/tunables.md, as a table.
std::string TunablesAsMarkdown();

// Values in the tunables' own units, in the order of TunableInfos().
using TunableValues = std::vector<int64_t>;
TunableValues DefaultTunables();
pvs_tunables ToPolicy(const TunableValues& values);
// Of the scheduler's boot profile.
uint64_t BootTimeNs(const TunableValues& values);
// What pvschedd logs from now on.
void ApplyLogLevel(const TunableValues& values);

// The index of a name; the error lists the names there are.
absl::StatusOr<size_t> FindTunable(absl::string_view name);
// A value from text; the error names the bound.
absl::StatusOr<int64_t> ParseTunable(const TunableInfo& info, absl::string_view text);
std::string FormatTunable(const TunableInfo& info, int64_t value);
// Rules between tunables, such as budget <= window.
absl::Status CheckTunables(const TunableValues& values);

// What the admin has set: for the host, and for VMs by name. A VM has its own
// value, else the host's, else the default.
//
// Thread-safety: one thread.
class TunableStore {
 public:
  // The file is TOML: tunables under [host] and [vm.NAME]; a [vm.NAME] with
  // `uid` is for VMs of that user only, because devices choose their names.
  static absl::StatusOr<TunableStore> FromFile(const std::string& path);

  TunableValues ForHost() const;
  TunableValues ForVm(absl::string_view name, uid_t uid) const;

  // For the host if `vm` is empty. What would break a rule for anyone is
  // refused and changes nothing.
  absl::Status Set(absl::string_view vm, absl::string_view name, absl::string_view text);

 private:
  struct Section {
    std::optional<uid_t> uid;
    std::map<size_t, int64_t> values;
  };

  absl::Status SetIn(Section& section, absl::string_view name, absl::string_view text);
  absl::Status CheckAll() const;

  Section host_;
  std::map<std::string, Section, std::less<>> vms_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_TUNABLES_H_
