// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/fuzz/fake_registry.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "common/errno_status.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/memory_check.h"
#include "host-policy/daemon/vm_name.h"
#include "host-policy/daemon/vmm_identity.h"
#include "pvsched_abi.h"
#include "tests/fuzz/fuzz.h"

namespace pvsched {
namespace {

class NoActuator : public Actuator {
 public:
  const char* name() const override { return "none"; }
  absl::Status Start(int /*priority*/) override { return absl::OkStatus(); }
  absl::Status Add(uint32_t /*slot*/, pid_t /*process*/, pid_t /*tid*/,
                   int /*thread_pidfd*/) override {
    return absl::OkStatus();
  }
  void Remove(uint32_t /*slot*/) override {}
  Applied applied(uint32_t /*slot*/) override { return {}; }
  Counts counts() override { return {}; }
};

// For a reference that the fake does not use.
BpfObject& NoBpfObject() {
  alignas(BpfObject) static std::array<std::byte, sizeof(BpfObject)> storage;
  return reinterpret_cast<BpfObject&>(storage);
}

bool IsClean(const std::string& name) {
  return name.size() <= kMaxVmName &&
         std::ranges::all_of(name, [](unsigned char c) { return absl::ascii_isgraph(c); });
}

void RequireVm(const std::map<pid_t, std::unique_ptr<Vm>>& vms, const Vm& vm) {
  const auto it = vms.find(vm.pid);
  Require(it != vms.end() && it->second.get() == &vm, "a request is about a VM that is there");
}

}  // namespace

Registry::Registry(EventLoop& loop, BpfObject& bpf, Actuator& actuator, TunableStore tunables,
                   const ControlLimits& limits)
    : loop_(loop),
      bpf_(bpf),
      actuator_(actuator),
      tunables_(std::move(tunables)),
      limits_(limits) {}

Registry::~Registry() = default;

absl::StatusOr<Vm*> Registry::AddVm(VmmIdentity vmm, uid_t /*peer*/, std::string name) {
  Require(IsClean(name), "a VM's name is clean");
  ASSIGN_OR_RETURN(const pid_t pid, PidOfPidfd(vmm.pidfd.get()));
  if (vms_.contains(pid)) return absl::AlreadyExistsError("one device for each VM");
  if (vms_.size() == kFakeMaxVms) return absl::ResourceExhaustedError("no room");
  Vm& vm = AddFakeVm(*this, pid, vmm.uid, name);
  vm.pidfd = std::move(vmm.pidfd);
  return &vm;
}

void Registry::RemoveVm(Vm* vm) {
  RequireVm(vms_, *vm);
  vms_.erase(vm->pid);
}

absl::Status Registry::Register(Vm& vm, uint32_t vcpu_id, UniqueFd memory, uint64_t offset,
                                uint32_t features) {
  RequireVm(vms_, vm);
  Require(fcntl(memory.get(), F_GETFD) >= 0, "the memory is an open descriptor");
  RETURN_IF_ERROR(CheckMemory(memory.get(), offset, PVSCHED_RECORD_SIZE));
  Vcpu& vcpu = vm.vcpus[vcpu_id];
  vcpu.id = vcpu_id;
  vcpu.acknowledges_irqs = (features & PVSCHED_F_IRQ_TICKET) != 0;
  vcpu.record = {.memory = std::move(memory), .offset = offset};
  return absl::OkStatus();
}

absl::Status Registry::SetPreemptCount(Vm& vm, uint32_t vcpu_id, UniqueFd memory, uint64_t offset,
                                       uint32_t mask) {
  RequireVm(vms_, vm);
  Require(fcntl(memory.get(), F_GETFD) >= 0, "the memory is an open descriptor");
  RETURN_IF_ERROR(CheckMemory(memory.get(), offset, sizeof(uint32_t)));
  vm.next_preempt_count = {.vcpu_id = vcpu_id, .range = {std::move(memory), offset}, .mask = mask};
  return absl::OkStatus();
}

void Registry::Withdraw(Vm& vm, uint32_t vcpu_id) {
  RequireVm(vms_, vm);
  vm.vcpus.erase(vcpu_id);
}

void Registry::WithdrawAll(Vm& vm) {
  RequireVm(vms_, vm);
  vm.vcpus.clear();
}

absl::Status Registry::SetThread(Vm& vm, uint32_t vcpu_id, pid_t tid) {
  RequireVm(vms_, vm);
  const auto it = vm.vcpus.find(vcpu_id);
  if (it == vm.vcpus.end()) return absl::NotFoundError("no such vCPU");
  it->second.tid = tid;
  return absl::OkStatus();
}

absl::Status Registry::SetTunables(TunableStore tunables) {
  Require(!tunables.FindViolation(), "tunables in force break no rule");
  tunables_ = std::move(tunables);
  return absl::OkStatus();
}

Vm& AddFakeVm(Registry& registry, pid_t pid, uid_t uid, const std::string& name) {
  auto vm = std::make_unique<Vm>();
  vm->pid = pid;
  vm->uid = uid;
  vm->name = name;
  // The registry shows its VMs to readers only.
  auto& vms = const_cast<std::map<pid_t, std::unique_ptr<Vm>>&>(registry.vms());
  return *(vms[pid] = std::move(vm));
}

Registry MakeFakeRegistry(EventLoop& loop, TunableStore tunables) {
  static NoActuator actuator;
  return {loop, NoBpfObject(), actuator, std::move(tunables), ControlLimits{}};
}

}  // namespace pvsched
