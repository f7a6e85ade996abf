// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/host.h"

#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "host-policy/daemon/agent.h"
#include "host-policy/daemon/kernel_actuator.h"
#include "host-policy/loader/scheduler_support.h"

namespace pvsched {
namespace {

absl::StatusOr<Host> Scheduler(const std::string& policy_path) {
  if (absl::Status status = CheckScheduler(); !status.ok()) return status;
  auto programs = Programs::Load(policy_path, Programs::Applier::kScheduler);
  if (!programs.ok()) return programs.status();
  auto actuator = SchedulerActuator::Create(**programs);
  if (!actuator.ok()) return actuator.status();
  for (const std::string& name : (*programs)->missing_callbacks()) {
    LOG(WARNING) << "this kernel's sched_ext has no ops." << name << "()";
  }
  Host host;
  host.programs = *std::move(programs);
  host.scheduler = actuator->get();
  host.actuator = *std::move(actuator);
  host.description = "the host's scheduler makes and applies decisions, by sched_ext";
  return host;
}

absl::StatusOr<Host> Module(const std::string& policy_path) {
  auto device = KernelActuator::OpenDevice();
  if (!device.ok()) return device.status();
  auto programs = Programs::Load(policy_path, Programs::Applier::kModule);
  if (!programs.ok()) return programs.status();
  Host host;
  host.programs = *std::move(programs);
  host.actuator = std::make_unique<KernelActuator>(*host.programs, *std::move(device));
  host.description = "decisions are applied inside of the event, through the module pvsched_host";
  return host;
}

absl::StatusOr<Host> Thread(const std::string& policy_path, BaselineStore& baselines,
                            int agent_priority) {
  auto programs = Programs::Load(policy_path, Programs::Applier::kAgent);
  if (!programs.ok()) return programs.status();
  Host host;
  host.programs = *std::move(programs);
  host.actuator = std::make_unique<Agent>(*host.programs, baselines);
  host.description = absl::StrCat("decisions are applied by a thread, SCHED_FIFO ", agent_priority);
  return host;
}

}  // namespace

absl::StatusOr<Host> ChooseHost(const std::string& actuator, const std::string& policy_path,
                                BaselineStore& baselines, int agent_priority) {
  absl::StatusOr<Host> host = absl::NotFoundError("no actuator");
  const bool any = actuator == "auto";
  if (any || actuator == "scx") {
    host = Scheduler(policy_path);
    // A sentence; the verifier's log is for who asks for scx by name.
    if (!host.ok() && any) {
      const absl::string_view why = host.status().message();
      LOG(INFO) << "not scx: " << why.substr(0, why.find('\n'));
    }
  }
  if ((any && !host.ok()) || actuator == "kfunc") {
    host = Module(policy_path);
    // Most hosts have no such module, and need none.
    if (!host.ok() && any && !absl::IsNotFound(host.status())) {
      LOG(WARNING) << "not kfunc: " << host.status().message();
    }
  }
  if ((any && !host.ok()) || actuator == "agent") {
    host = Thread(policy_path, baselines, agent_priority);
  }
  if (!host.ok()) return host.status();
  if (absl::Status status = host->actuator->Start(agent_priority); !status.ok()) return status;
  return host;
}

}  // namespace pvsched
