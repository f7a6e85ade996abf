// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_TOOLS_BOOT_TRACE_REASONS_H_
#define PVSCHED_TOOLS_BOOT_TRACE_REASONS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/boot-trace/layout.h"

namespace pvsched {

// Names of the reasons for VM exits, as the running kernel itself gives them in
// the formats of its tracepoints: no table here falls behind a processor's.
class ExitReasons {
 public:
  // From the contents of events/kvm/{kvm_exit,kvm_userspace_exit}/format.
  ExitReasons(absl::string_view exit_format, absl::string_view userspace_exit_format);
  static ExitReasons OfThisKernel();

  // "npf", "EPT_VIOLATION", "IO" (KVM_EXIT_IO); "reason 0x7b" of one without a name.
  std::string Name(pvs_boot_exit_kind kind, uint32_t reason) const;

 private:
  std::map<pvs_boot_exit_kind, std::map<uint32_t, std::string>> names_;
};

}  // namespace pvsched

#endif  // PVSCHED_TOOLS_BOOT_TRACE_REASONS_H_
