// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TOOLS_BOOT_TRACE_EXIT_REASONS_H_
#define PVSCHED_TOOLS_BOOT_TRACE_EXIT_REASONS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/boot-trace/bpf/intf.h"

namespace pvsched {

// Names of VM exit reasons. They are parsed from the formats of the running kernel's
// tracepoints, so there is no table to keep up to date with processors.
class ExitReasons {
 public:
  // The arguments are the contents of events/kvm/{kvm_exit,kvm_userspace_exit}/format.
  ExitReasons(absl::string_view exit_format, absl::string_view userspace_exit_format);
  static ExitReasons OfThisKernel();

  // Such as "npf", "EPT_VIOLATION", "IO" (KVM_EXIT_IO); "reason 0x7b" if it has no name.
  std::string Name(pvs_boot_exit_kind kind, uint32_t reason) const;

 private:
  std::map<pvs_boot_exit_kind, std::map<uint32_t, std::string>> names_;
};

}  // namespace pvsched

#endif  // PVSCHED_TOOLS_BOOT_TRACE_EXIT_REASONS_H_
