// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/program_choice.h"

#include <bpf/libbpf.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "host-policy/loader/bpf_variables.h"
#include "host-policy/loader/host_check.h"
#include "host-policy/loader/scx_support.h"
#include "host-policy/loader/topology.h"

namespace pvsched {
namespace {

// The hook on an interrupt that APIC virtualisation posts. It belongs to each kick hook.
constexpr char kWakeUpHook[] = "pvs_kvm_vcpu_wake_up";
// The hook on a vCPU that spins for another one. It belongs to each kick hook, too.
constexpr char kSpinHook[] = "pvs_kvm_vcpu_on_spin";
// What agent and kfunc learn switches and wake-ups from: KVM's functions, which run for vCPUs
// only, or where the kernel allows no program there, the scheduler's tracepoints.
constexpr const char* kKvmSwitchHooks[] = {"pvs_kvm_sched_out", "pvs_kvm_sched_in"};
constexpr const char* kAnySwitchHooks[] = {"pvs_sched_switch", "pvs_sched_wakeup"};

// An unknown name is a null program here, which libbpf's setters refuse with EINVAL.
bpf_program* Program(const bpf_object& object, const char* name) {
  return bpf_object__find_program_by_name(&object, name);
}

absl::Status SetAutoload(const bpf_object& object, const char* name, bool is_loaded) {
  bpf_program* program = Program(object, name);
  if (program == nullptr) {
    return absl::InternalError(absl::StrCat("the BPF object has no program ", name));
  }
  bpf_program__set_autoload(program, is_loaded);
  return absl::OkStatus();
}

// Hooks that run with interrupts on: there the module may apply a grant at once.
absl::Status ChooseUnlockedHooks(const bpf_object& object) {
  RETURN_IF_ERROR(SetAutoload(object, "pvs_kvm_vcpu_halt", true));
  const char* on_exit = nullptr;
  if (access("/sys/module/kvm_amd", F_OK) == 0) on_exit = "pvs_svm_handle_exit";
  if (access("/sys/module/kvm_intel", F_OK) == 0) on_exit = "pvs_vmx_handle_exit";
  if (on_exit == nullptr) return absl::OkStatus();
  RETURN_IF_ERROR(SetAutoload(object, on_exit, true));
  return SetAutoload(object, "pvs_kvm_exit", false);
}

// PREEMPT_RT has no bpf_timer, so there pvschedd runs the timer's program.
absl::Status ChooseBwTimer(const bpf_object& object, const utsname& host) {
  constexpr char kParam[] = "pvs_param_bw_kernel_timer";
  if (IsPreemptRt(host.version)) RETURN_IF_ERROR(SetInitialValue(object, kParam, 0));
  ASSIGN_OR_RETURN(const int64_t has_kernel_timer, InitialValue(object, kParam));
  return SetAutoload(object, kBwTimerProgram, has_kernel_timer == 0);
}

absl::StatusOr<std::vector<std::string>> ChooseForScx(const bpf_object& object, bool has_kick_hook,
                                                      const ScxSettings& scx, const utsname& host) {
  bpf_map* scheduler = bpf_object__find_map_by_name(&object, kSchedulerMap);
  if (scheduler == nullptr) return absl::InternalError("the BPF object has no scheduler");
  bpf_map__set_autoattach(scheduler, false);
  // This hook needs what the kick hook needs. Without it no VM gets a boot boost.
  if (has_kick_hook) RETURN_IF_ERROR(SetAutoload(object, "pvs_kvm_arch_init_vm", true));
  std::vector<std::string> missing = DropUnknownCallbacks(*scheduler, *bpf_object__btf(&object));
  // Without this callback a program at every context switch replaces it.
  if (std::erase(missing, "cpu_release") != 0) {
    RETURN_IF_ERROR(SetAutoload(object, "pvs_rt_preempt", true));
  }
  // Without this flag the kernel itself requeues a task that must not migrate: at the head
  // of its CPU's queue and with a new slice, whenever an RT task preempted it. A busy task
  // would then starve all others.
  RETURN_IF_ERROR(AddOpsFlags(*scheduler, *bpf_object__btf(&object),
                              ScxOpsFlag("SCX_OPS_ENQ_MIGRATION_DISABLED")));
  // An idle mask for each node: a mask for the whole host is written by all its CPUs.
  if (const uint64_t per_node = ScxOpsFlag("SCX_OPS_BUILTIN_IDLE_PER_NODE"); per_node != 0) {
    RETURN_IF_ERROR(AddOpsFlags(*scheduler, *bpf_object__btf(&object), per_node));
    RETURN_IF_ERROR(SetInitialValue(object, "pvs_has_idle_nodes", 1));
  }
  ASSIGN_OR_RETURN(const pvs_topology topology, ReadTopology("/sys", scx.small_cpus));
  RETURN_IF_ERROR(SetInitialBytes(object, "pvs_topology", std::as_bytes(std::span(&topology, 1))));
  RETURN_IF_ERROR(ApplyScxParams(scx.params, object));
  RETURN_IF_ERROR(ChooseBwTimer(object, host));
  return missing;
}

}  // namespace

bool IsPreemptRt(const std::string& version) { return absl::StrContains(version, "PREEMPT_RT"); }

absl::StatusOr<std::vector<std::string>> ChoosePrograms(const bpf_object& object, ActuatorKind kind,
                                                        const char* kick_hook,
                                                        const ScxSettings& scx) {
  RETURN_IF_ERROR(SetInitialValue(object, "pvs_actuator", static_cast<int64_t>(kind)));
  utsname host;
  uname(&host);
  RETURN_IF_ERROR(
      SetInitialValue(object, "pvs_masks_preemption", CanMaskPreemption(host.release) ? 1 : 0));
  bpf_program__set_autoattach(Program(object, kSearchProgram), false);
  if (kick_hook != nullptr) {
    for (const std::string name : {kick_hook, kWakeUpHook}) {
      for (const std::string& program : {name, name + kSecondSuffix}) {
        RETURN_IF_ERROR(SetAutoload(object, program.c_str(), true));
      }
    }
    RETURN_IF_ERROR(SetAutoload(object, kSpinHook, true));
  }
  if (kind == ActuatorKind::kScx) return ChooseForScx(object, kick_hook != nullptr, scx, host);
  // A kernel that allows programs at one function's entry allows them at the others'.
  for (const char* hook : kick_hook != nullptr ? kKvmSwitchHooks : kAnySwitchHooks) {
    RETURN_IF_ERROR(SetAutoload(object, hook, true));
  }
  if (kind == ActuatorKind::kKfunc && kick_hook != nullptr) {
    RETURN_IF_ERROR(ChooseUnlockedHooks(object));
  }
  return std::vector<std::string>();
}

}  // namespace pvsched
