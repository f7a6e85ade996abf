// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/vm_filter.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "host-policy/daemon/vm_name.h"

namespace pvsched {

void AddVmFilter(CLI::App& command, Invocation& run) {
  CLI::Option* const vm =
      command.add_option("--vm", run.vm, "Show the vCPUs of this VM only")->type_name("NAME");
  command.add_flag("--future", run.is_future, "Accept the name of a VM that does not run yet")
      ->needs(vm);
}

absl::Status CheckVmFilter(const Invocation& run) {
  if (run.vm.empty() || run.is_future) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Json reply, AdminClient(run.socket_path).Ask(AdminMethod::kListVms));
  const Json vms = reply.value("vms", Json::array());
  if (std::ranges::any_of(vms, [&run](const Json& vm) { return IsShown(run, vm); })) {
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("no VM '", run.vm,
                                          "' runs here: pvschedctl vm list has the names; ",
                                          "--future is for a VM that does not run yet"));
}

bool IsShown(const Invocation& run, const Json& vcpu) {
  return run.vm.empty() || vcpu.value("vm", "") == CleanVmName(run.vm);
}

Json ShownVcpus(const Invocation& run, const Json& vcpus) {
  Json shown = Json::array();
  for (const Json& vcpu : vcpus) {
    if (IsShown(run, vcpu)) shown.push_back(vcpu);
  }
  return shown;
}

}  // namespace pvsched
