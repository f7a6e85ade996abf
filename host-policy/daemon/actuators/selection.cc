// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/actuators/selection.h"

#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "host-policy/daemon/actuators/agent.h"
#include "host-policy/daemon/actuators/kfunc.h"
#include "host-policy/loader/host_check.h"
#include "host-policy/loader/scx_support.h"

namespace pvsched {
namespace {

absl::StatusOr<Host> Scheduler(const std::string& policy_path) {
  if (absl::Status status = CheckScxSupport(); !status.ok()) return status;
  auto programs = BpfObject::Load(policy_path, ActuatorKind::kScx);
  if (!programs.ok()) return programs.status();
  auto actuator = ScxActuator::Create(**programs);
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
  auto device = KfuncActuator::OpenDevice();
  if (!device.ok()) return device.status();
  auto programs = BpfObject::Load(policy_path, ActuatorKind::kKfunc);
  if (!programs.ok()) return programs.status();
  Host host;
  host.programs = *std::move(programs);
  host.actuator = std::make_unique<KfuncActuator>(*host.programs, *std::move(device));
  host.description = "decisions are applied inside of the event, through the module pvsched_host";
  return host;
}

absl::StatusOr<Host> Thread(const std::string& policy_path, BaselineStore& baselines,
                            int agent_priority) {
  auto programs = BpfObject::Load(policy_path, ActuatorKind::kAgent);
  if (!programs.ok()) return programs.status();
  Host host;
  host.programs = *std::move(programs);
  host.actuator = std::make_unique<AgentActuator>(*host.programs, baselines);
  host.description = absl::StrCat("decisions are applied by a thread, SCHED_FIFO ", agent_priority);
  return host;
}

}  // namespace

absl::Status CheckActuators(absl::string_view names) {
  for (const absl::string_view name : absl::StrSplit(names, ',')) {
    if (name != "scx" && name != "kfunc" && name != "agent") {
      return absl::InvalidArgumentError(
          absl::StrCat("'", name, "' is no actuator: scx, kfunc and agent are"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Host> ChooseActuator(absl::string_view names, const std::string& policy_path,
                                    BaselineStore& baselines, int agent_priority) {
  if (absl::Status status = CheckActuators(names); !status.ok()) return status;
  absl::StatusOr<Host> host = absl::NotFoundError("no actuator");
  std::string passed_over;
  for (const absl::string_view name : absl::StrSplit(names, ',')) {
    if (!passed_over.empty()) {
      // A sentence; the verifier's log is for who asks for that one alone.
      const absl::string_view why = host.status().message();
      LOG(INFO) << "not " << passed_over << ": " << why.substr(0, why.find('\n'));
    }
    host = name == "scx"     ? Scheduler(policy_path)
           : name == "kfunc" ? Module(policy_path)
                             : Thread(policy_path, baselines, agent_priority);
    if (host.ok()) break;
    passed_over = std::string(name);
  }
  if (!host.ok()) return host.status();
  if (const std::string why =
          WhyInterruptsAreUnseen(host->programs->has_kick_hook(), "/sys/module");
      !why.empty()) {
    LOG(WARNING) << why;
  }
  if (absl::Status status = host->actuator->Start(agent_priority); !status.ok()) return status;
  return host;
}

}  // namespace pvsched
