// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/registry.h"

#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <string>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/journal_log.h"
#include "common/pidfd.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "host-policy/daemon/memory_check.h"
#include "pvsched_abi.h"

namespace pvsched {
namespace {

// A limit for each VM: one VM cannot take all slots of the host.
constexpr size_t kMaxVcpusPerVm = 1024;
constexpr uint64_t kNsPerSecond = 1'000'000'000;
// The pause before a vCPU's thread is searched again doubles from the first to the second.
constexpr uint64_t kFirstRetryNs = kNsPerSecond / 50;
constexpr uint64_t kMaxRetryNs = 5 * kNsPerSecond;
// The pause after a search, in multiples of its duration.
constexpr uint64_t kSearchPause = 20;

bool HasThread(pid_t pid, pid_t tid) {
  return access(absl::StrCat("/proc/", pid, "/task/", tid).c_str(), F_OK) == 0;
}

// The clock of the BPF programs.
uint64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Registry::Registry(EventLoop& loop, BpfObject& bpf, Actuator& actuator, TunableStore tunables,
                   const ControlLimits& limits)
    : loop_(loop), bpf_(bpf), actuator_(actuator), tunables_(std::move(tunables)), limits_(limits) {
  for (uint32_t i = 0; i < PVS_MAX_VCPUS; ++i) free_slots_.push_back(i);
  for (uint32_t i = 0; i < PVS_MAX_VMS; ++i) free_vm_indexes_.push_back(i);
  ApplyHostTunables();
  retry_timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (absl::Status status = loop_.Add(retry_timer_.get(), [this] { OnRetryTimer(); });
      !status.ok()) {
    LOG(FATAL) << status;
  }
}

Registry::~Registry() {
  while (!vms_.empty()) RemoveVm(vms_.begin()->second.get());
  loop_.Remove(retry_timer_.get());
}

absl::StatusOr<Vm*> Registry::AddVm(VmmIdentity vmm, uid_t peer, std::string name) {
  UniqueFd pidfd = std::move(vmm.pidfd);
  ASSIGN_OR_RETURN(pid_t pid, PidOfPidfd(pidfd.get()));
  struct stat info;
  // First stat(), then HasEnded(): a process that has not ended by then is the
  // one that /proc showed.
  if (stat(absl::StrCat("/proc/", pid).c_str(), &info) != 0 || HasEnded(pidfd.get())) {
    return VmmHasEnded();
  }
  if (!vmm.is_proven && peer != 0 && peer != info.st_uid) {
    return absl::PermissionDeniedError(absl::StrCat(
        "a device of user ", peer, " cannot register process ", pid, " of user ", info.st_uid));
  }
  if (auto old = vms_.find(pid); old != vms_.end()) {
    if (HasEnded(old->second->pidfd.get())) OnVmmEnd(*old->second);
  }
  if (vms_.contains(pid)) {
    return absl::AlreadyExistsError(absl::StrCat("process ", pid, " already has a pvsched device"));
  }
  const uid_t uid = vmm.is_proven ? vmm.uid : info.st_uid;
  RETURN_IF_ERROR(CheckRoomForVm(uid));
  auto vm = std::make_unique<Vm>();
  vm->index = free_vm_indexes_.front();
  vm->pid = pid;
  vm->uid = uid;
  vm->name = name.empty() ? absl::StrCat("pid-", pid) : std::move(name);
  vm->pidfd = std::move(pidfd);
  RETURN_IF_ERROR(ApplyTunables(*vm));
  Vm* raw = vm.get();
  if (absl::Status status = loop_.Add(vm->pidfd.get(), [this, raw] { OnVmmEnd(*raw); });
      !status.ok()) {
    return status;
  }
  free_vm_indexes_.pop_front();
  const LogSubject subject(vm->name);
  LOG_IF(INFO, log_quota_.Consume(vm->uid))
      << "VM " << vm->name << ": process " << vm->pid << ", user " << vm->uid;
  vms_[pid] = std::move(vm);
  return raw;
}

absl::Status Registry::CheckRoomForVm(uid_t uid) const {
  if (free_vm_indexes_.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the host has ", PVS_MAX_VMS, " VMs, which is the limit"));
  }
  // A VM whose VMM has ended counts until its device disconnects.
  auto of_user = std::ranges::count_if(ended_, [uid](const auto& vm) { return vm->uid == uid; });
  for (const auto& [pid, vm] : vms_) of_user += vm->uid == uid ? 1 : 0;
  if (uid == 0 || static_cast<size_t>(of_user) < limits_.max_user_vms) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("user ", uid, " has ", of_user, " VMs, which is the limit (max-user-vms)"));
}

absl::Status Registry::CheckRoomForVcpu(const Vm& vm, uint32_t vcpu_id) {
  if (free_slots_.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the host has ", PVS_MAX_VCPUS, " vCPUs, which is the limit"));
  }
  // Each APIC id has a budget. Ids that used theirs recently count, too: else a
  // VM could renew its budget by registering other ids.
  const size_t recent = ledger_.Has(vm.pid, vcpu_id) ? 0 : ledger_.Count(vm.pid, Now());
  if (vm.vcpus.size() + recent >= kMaxVcpusPerVm) {
    return absl::ResourceExhaustedError(absl::StrCat("the VM has, or had recently, ",
                                                     kMaxVcpusPerVm, " vCPUs, which is the limit"));
  }
  size_t of_user = 0;
  for (const auto& [pid, other] : vms_) of_user += other->uid == vm.uid ? other->vcpus.size() : 0;
  if (vm.uid == 0 || of_user < limits_.max_user_vcpus) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("user ", vm.uid, " has ", of_user, " vCPUs, the limit (max-user-vcpus)"));
}

void Registry::RemoveVm(Vm* vm) {
  const LogSubject subject(vm->name);
  WithdrawAll(*vm);
  loop_.Remove(vm->pidfd.get());
  LOG_IF(INFO, log_quota_.Consume(vm->uid)) << "VM " << vm->name << ": its device has disconnected";
  free_vm_indexes_.push_back(vm->index);
  if (std::erase_if(ended_, [vm](const auto& ended) { return ended.get() == vm; }) == 0) {
    vms_.erase(vm->pid);
  }
}

// Releases the records and the pid at once: another process may get the pid.
// The Vm lives until its device disconnects.
void Registry::OnVmmEnd(Vm& vm) {
  const LogSubject subject(vm.name);
  loop_.Remove(vm.pidfd.get());
  LOG_IF(INFO, log_quota_.Consume(vm.uid)) << "VM " << vm.name << ": its VMM has ended";
  WithdrawAll(vm);
  ended_.push_back(std::move(vms_.extract(vm.pid).mapped()));
}

absl::Status Registry::ApplyTunables(const Vm& vm) {
  return bpf_.SetTunables(vm.index, ToPolicy(tunables_.ForVm(vm.name, vm.uid)));
}

void Registry::ApplyHostTunables() {
  const TunableValues values = tunables_.ForHost();
  ApplyLogLevel(values);
  bpf_.SetBootTime(BootBoostNs(values));
}

absl::Status Registry::SetTunables(TunableStore tunables) {
  tunables_ = std::move(tunables);
  ApplyHostTunables();
  for (const auto& [pid, running] : vms_) {
    RETURN_IF_ERROR(ApplyTunables(*running));
    // A vCPU that sleeps has no event, and would keep a grant above the new caps.
    for (const auto& [id, vcpu] : running->vcpus) {
      if (vcpu.tid != 0) bpf_.RunTimer(vcpu.tid);
    }
  }
  return absl::OkStatus();
}

absl::Status Registry::SetPreemptCount(Vm& vm, uint32_t vcpu_id, UniqueFd memory, uint64_t offset,
                                       uint32_t mask) {
  if (absl::Status status = CheckMemory(memory.get(), offset, sizeof(pvs_preempt_count));
      !status.ok()) {
    return status;
  }
  vm.next_preempt_count = {.vcpu_id = vcpu_id, .range = {std::move(memory), offset}, .mask = mask};
  return absl::OkStatus();
}

absl::Status Registry::Register(Vm& vm, uint32_t vcpu_id, UniqueFd memory, uint64_t offset,
                                uint32_t features) {
  PreemptCount preempt_count = std::exchange(vm.next_preempt_count, {});
  if (HasEnded(vm.pidfd.get())) return VmmHasEnded();
  if (vm.vcpus.contains(vcpu_id)) {
    return absl::AlreadyExistsError(absl::StrCat("vCPU ", vcpu_id, " already has a record"));
  }
  RETURN_IF_ERROR(CheckRoomForVcpu(vm, vcpu_id));
  RETURN_IF_ERROR(CheckMemory(memory.get(), offset, PVSCHED_RECORD_SIZE));
  // The last search may be older than a vCPU that was just plugged in.
  if (SearchVcpus(vm) && !vm.kvm_vcpus.empty() && !vm.kvm_vcpus.contains(vcpu_id)) {
    return absl::NotFoundError(
        absl::StrCat("the VM has no vCPU with APIC id ", vcpu_id, ": it has ", vm.kvm_vcpus.size(),
                     " vCPUs, up to APIC id ", vm.kvm_vcpus.rbegin()->first));
  }
  Vcpu vcpu;
  vcpu.id = vcpu_id;
  vcpu.slot = free_slots_.front();
  vcpu.record = {std::move(memory), offset};
  if (preempt_count.vcpu_id == vcpu_id) vcpu.preempt_count = std::move(preempt_count);
  vcpu.acknowledges_irqs = (features & PVSCHED_F_IRQ_TICKET) != 0;
  free_slots_.pop_front();
  auto it = vm.vcpus.emplace(vcpu_id, std::move(vcpu)).first;
  if (!BindIfFound(vm, it->second)) StartRetries();
  return absl::OkStatus();
}

void Registry::Withdraw(Vm& vm, uint32_t vcpu_id) {
  auto it = vm.vcpus.find(vcpu_id);
  if (it == vm.vcpus.end()) return;
  Release(vm, it->second);
  vm.vcpus.erase(it);
  bpf_.Fence();
}

void Registry::WithdrawAll(Vm& vm) {
  vm.next_preempt_count = {};
  if (vm.vcpus.empty()) return;
  for (auto& [id, vcpu] : vm.vcpus) Release(vm, vcpu);
  vm.vcpus.clear();
  bpf_.Fence();
}

absl::Status Registry::SetThread(Vm& vm, uint32_t vcpu_id, pid_t tid) {
  auto it = vm.vcpus.find(vcpu_id);
  if (it == vm.vcpus.end()) {
    return absl::NotFoundError(absl::StrCat("vCPU ", vcpu_id, " has no record"));
  }
  const pid_t bound = it->second.tid;
  if (bound == tid) return absl::OkStatus();
  if (bound != 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("vCPU ", vcpu_id, " is already bound to thread ", bound));
  }
  return Bind(vm, it->second, tid);
}

bool Registry::SearchVcpus(Vm& vm) {
  const uint64_t start = Now();
  if (start < vm.next_search_at) return false;
  const absl::StatusOr<std::vector<pvs_vcpu_found>> found = bpf_.FindVcpus(vm.pidfd.get());
  const uint64_t end = Now();
  vm.next_search_at = end + kSearchPause * (end - start);
  vm.kvm_vcpus.clear();
  if (!found.ok()) {
    const LogSubject subject(vm.name);
    LOG_EVERY_N_SEC(WARNING, 10) << "VM " << vm.name << ": " << found.status().message();
    return true;
  }
  for (const pvs_vcpu_found& vcpu : *found) {
    const auto [known, is_new] = vm.kvm_vcpus.emplace(vcpu.vcpu_id, vcpu.tid);
    // The process runs several VMs: only the VMM can say which of them this is.
    if (!is_new && known->second != vcpu.tid) known->second = 0;
  }
  return true;
}

bool Registry::BindIfFound(Vm& vm, Vcpu& vcpu) {
  const auto found = vm.kvm_vcpus.find(vcpu.id);
  if (found == vm.kvm_vcpus.end() || found->second == 0) return false;
  // The thread has ended, and the next one has not run the vCPU yet.
  if (!HasThread(vm.pid, found->second)) return false;
  const absl::Status status = Bind(vm, vcpu, found->second);
  if (!status.ok()) {
    const LogSubject subject(vm.name, vcpu.id);
    LOG_EVERY_N_SEC(WARNING, 1) << "VM " << vm.name << " vCPU " << vcpu.id << ": "
                                << status.message();
  }
  return status.ok();
}

void Registry::StartRetries() {
  retry_ns_ = kFirstRetryNs;
  ArmRetryTimer();
}

void Registry::ArmRetryTimer() {
  const itimerspec after = {.it_interval = {},
                            .it_value = {.tv_sec = static_cast<time_t>(retry_ns_ / kNsPerSecond),
                                         .tv_nsec = static_cast<long>(retry_ns_ % kNsPerSecond)}};
  if (timerfd_settime(retry_timer_.get(), 0, &after, nullptr) != 0) {
    PLOG(ERROR) << "cannot search for vCPU threads again";
  }
}

void Registry::OnRetryTimer() {
  uint64_t expirations = 0;
  if (read(retry_timer_.get(), &expirations, sizeof(expirations)) < 0) return;
  bool is_any_unbound = false;
  for (auto& [pid, vm] : vms_) {
    for (auto& [id, vcpu] : vm->vcpus) {
      if (vcpu.tid != 0) continue;
      SearchVcpus(*vm);
      if (!BindIfFound(*vm, vcpu)) is_any_unbound = true;
    }
  }
  if (!is_any_unbound) return;
  retry_ns_ = std::min(2 * retry_ns_, kMaxRetryNs);
  ArmRetryTimer();
}

absl::Status Registry::Bind(Vm& vm, Vcpu& vcpu, pid_t tid) {
  const LogSubject subject(vm.name, vcpu.id);
  UniqueFd pidfd(pidfd_open(tid, PIDFD_THREAD));
  if (!pidfd) return ErrnoStatus(errno, absl::StrCat("pidfd_open of thread ", tid));
  // After pidfd_open(): while the pidfd's thread lives, the tid is not reused.
  if (!HasThread(vm.pid, tid)) {
    return absl::PermissionDeniedError(
        absl::StrCat("thread ", tid, " is not a thread of the VMM, process ", vm.pid));
  }
  // Last: a VMM that has not ended still had its pid in the check above.
  if (HasEnded(vm.pidfd.get())) return VmmHasEnded();
  bpf_.ClearSlot(vcpu.slot, ledger_.Renew(vm.pid, vcpu.id, tid, Now()));
  if (absl::Status status = actuator_.Add(vcpu.slot, vm.pid, tid, pidfd.get()); !status.ok())
    return status;
  absl::Status status = bpf_.Bind({
      .thread_pidfd = pidfd.get(),
      .tid = tid,
      .vcpu_id = vcpu.id,
      .slot = vcpu.slot,
      .vm = vm.index,
      .record = {vcpu.record.memory.get(), vcpu.record.offset},
      .preempt_count = {vcpu.preempt_count.range.memory.get(), vcpu.preempt_count.range.offset},
      .preempt_mask = vcpu.preempt_count.mask,
      .acknowledges_irqs = vcpu.acknowledges_irqs,
  });
  if (status.ok()) {
    status = loop_.Add(pidfd.get(), [this, pid = vm.pid, id = vcpu.id] { OnThreadEnd(pid, id); });
    if (!status.ok()) bpf_.Unbind(pidfd.get());
  }
  if (!status.ok()) {
    actuator_.Remove(vcpu.slot);
    return status;
  }
  vcpu.thread_pidfd = std::move(pidfd);
  vcpu.tid = tid;
  ledger_.Drop(vm.pid, vcpu.id);
  LOG_IF(INFO, log_quota_.Consume(vm.uid))
      << "VM " << vm.name << " vCPU " << vcpu.id << ": thread " << tid;
  return absl::OkStatus();
}

void Registry::Unbind(const Vm& vm, Vcpu& vcpu) {
  if (vcpu.tid == 0) return;
  const LogSubject subject(vm.name, vcpu.id);
  actuator_.Remove(vcpu.slot);
  // Charges the CPU time since the vCPU's last event.
  bpf_.RunTimer(vcpu.tid);
  bpf_.Unbind(vcpu.thread_pidfd.get());
  ledger_.Keep(vm.pid, vcpu.id, vcpu.tid, bpf_.CopyVcpu(vcpu.slot),
               ToPolicy(tunables_.ForVm(vm.name, vm.uid)).window_ns, Now());
  loop_.Remove(vcpu.thread_pidfd.get());
  vcpu.thread_pidfd.reset();
  vcpu.tid = 0;
}

void Registry::Release(Vm& vm, Vcpu& vcpu) {
  Unbind(vm, vcpu);
  // At the end of the queue: a slot is reused as late as possible.
  free_slots_.push_back(vcpu.slot);
}

void Registry::OnThreadEnd(pid_t pid, uint32_t vcpu_id) {
  auto vm = vms_.find(pid);
  if (vm == vms_.end()) return;
  auto vcpu = vm->second->vcpus.find(vcpu_id);
  if (vcpu == vm->second->vcpus.end()) return;
  Unbind(*vm->second, vcpu->second);
  // The slot is cleared for the next thread.
  bpf_.Fence();
  // The record stays registered: a vCPU that is hot-plugged again has a new thread.
  StartRetries();
}

}  // namespace pvsched
