// SPDX-License-Identifier: Apache-2.0
#include "host-policy/loader/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/libbpf_log.h"
#include "host-policy/loader/host_check.h"
#include "host-policy/loader/policy_linker.h"
#include "host-policy/loader/scx_support.h"
#include "pvsched.skel.h"

namespace pvsched {
namespace {

constexpr uint64_t kPage = 4096;

// The hooks on an interrupt's way to a vCPU that does not run, best first: the
// function's name from 7.3 on, the one before, and none, where the kernel lets
// nobody in. Without one a preempted vCPU hears of its interrupt when it next
// runs.
constexpr const char* kKickHooks[] = {"pvs_kvm_vcpu_kick_73", "pvs_kvm_vcpu_kick", nullptr};

struct SkeletonDeleter {
  void operator()(pvsched_bpf* skeleton) const { pvsched_bpf__destroy(skeleton); }
};
// Only for skeletons on their way: BpfObject keeps a plain pointer, because the
// generated type is incomplete in its header.
using SkeletonPtr = std::unique_ptr<pvsched_bpf, SkeletonDeleter>;

// Opens pvsched's own programs, or, if `linked` is not empty, these bytes, which
// hold the same programs and maps. They must live until the skeleton is loaded.
pvsched_bpf* OpenSkeletonOf(const std::string& linked) {
  if (linked.empty()) return pvsched_bpf__open();
  auto* skeleton = static_cast<pvsched_bpf*>(calloc(1, sizeof(pvsched_bpf)));
  if (skeleton == nullptr) return nullptr;
  if (pvsched_bpf__create_skeleton(skeleton) != 0) {
    pvsched_bpf__destroy(skeleton);
    return nullptr;
  }
  skeleton->skeleton->data = linked.data();
  skeleton->skeleton->data_sz = linked.size();
  if (bpf_object__open_skeleton(skeleton->skeleton, nullptr) != 0) {
    pvsched_bpf__destroy(skeleton);
    return nullptr;
  }
  // As pvsched_bpf__open() does, and nothing else in libbpf.
  skeleton->struct_ops.pvs_scx_ops = static_cast<decltype(skeleton->struct_ops.pvs_scx_ops)>(
      bpf_map__initial_value(skeleton->maps.pvs_scx_ops, nullptr));
  return skeleton;
}
SkeletonPtr OpenSkeleton(const std::string& linked) { return SkeletonPtr(OpenSkeletonOf(linked)); }

// With interrupts on the module applies a decision at once.
void ChooseUnlockedHooks(pvsched_bpf& skeleton) {
  bpf_program__set_autoload(skeleton.progs.pvs_kvm_vcpu_halt, true);
  bpf_program* on_exit = nullptr;
  if (access("/sys/module/kvm_amd", F_OK) == 0) on_exit = skeleton.progs.pvs_svm_handle_exit;
  if (access("/sys/module/kvm_intel", F_OK) == 0) on_exit = skeleton.progs.pvs_vmx_handle_exit;
  if (on_exit == nullptr) return;
  bpf_program__set_autoload(on_exit, true);
  bpf_program__set_autoload(skeleton.progs.pvs_kvm_exit, false);
}

// A scheduler needs no hooks but its own.
void DropHooks(pvsched_bpf& skeleton) {
  for (bpf_program* hook : {skeleton.progs.pvs_kvm_userspace_exit, skeleton.progs.pvs_kvm_inj_virq,
                            skeleton.progs.pvs_sched_wakeup, skeleton.progs.pvs_sched_switch}) {
    bpf_program__set_autoload(hook, false);
  }
  bpf_program__set_autoattach(skeleton.progs.pvs_kvm_exit, false);
}

void ReuseMaps(const bpf_object& from, const bpf_object& to) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, &to) {
    // Each object brings its own programs, and so its own scheduler.
    if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS) continue;
    bpf_map* old = bpf_object__find_map_by_name(&from, bpf_map__name(map));
    if (old != nullptr && bpf_map__fd(old) >= 0) bpf_map__reuse_fd(map, bpf_map__fd(old));
  }
}

// Without it those of a reused map were not seen under the scheduler (90-scx).
int ShareVariables(pvsched_bpf& skeleton) {
  void* shared = mmap(skeleton.bss, bpf_map__value_size(skeleton.maps.bss), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED, bpf_map__fd(skeleton.maps.bss), 0);
  return shared == MAP_FAILED ? -errno : 0;
}

absl::Status BpfError(const char* what, int error) {
  return absl::ErrnoToStatus(error < 0 ? -error : errno, what);
}

}  // namespace

absl::StatusOr<std::unique_ptr<BpfObject>> BpfObject::Load(const std::string& policy_path,
                                                           ActuatorKind applier) {
  if (absl::Status status = CheckHost(); !status.ok()) return status;
  CaptureLibbpfLog();
  std::unique_ptr<BpfObject> programs(new BpfObject);
  programs->actuator_kind_ = applier;
  if (absl::Status status = programs->SetPolicy(policy_path); !status.ok()) return status;
  if (absl::Status status = programs->MapSlots(); !status.ok()) return status;
  if (absl::Status status = programs->MakeFence(); !status.ok()) return status;
  malloc_trim(0);  // what the loader needed is a multiple of what the daemon does
  return programs;
}

BpfObject::~BpfObject() {
  if (slots_ != nullptr) munmap(slots_, PVS_MAX_VCPUS * sizeof(pvs_slot));
  if (watched_ != nullptr) munmap(watched_, kPage);
  if (cpus_ != nullptr) munmap(cpus_, PVS_MAX_CPUS * sizeof(pvs_cpu_ctx));
  bpf_link__destroy(scheduler_);
  bpf_link__destroy(exit_hook_);
  pvsched_bpf__destroy(skeleton_);
}

absl::Status BpfObject::SetPolicy(const std::string& policy_path) {
  std::string linked;
  if (!policy_path.empty()) {
    size_t size = 0;
    const auto* own = static_cast<const char*>(pvsched_bpf__elf_bytes(&size));
    absl::StatusOr<std::string> bytes = LinkPolicy(absl::string_view(own, size), policy_path);
    if (!bytes.ok()) return bytes.status();
    linked = *std::move(bytes);
  }
  TakeLibbpfLog();
  int error = 0;
  for (const char* hook : kKickHooks) {
    SkeletonPtr skeleton = OpenSkeleton(linked);
    if (skeleton == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot open the BPF programs:\n", TakeLibbpfLog()));
    }
    Choose(*skeleton, hook);
    // The same maps under new programs: nothing that is registered is lost.
    if (skeleton_ != nullptr) ReuseMaps(*skeleton_->obj, *skeleton->obj);
    error = pvsched_bpf__load(skeleton.get());
    if (error == 0 && skeleton_ != nullptr) error = ShareVariables(*skeleton);
    if (error == 0) error = Attach(*skeleton);
    if (error == 0) {
      if (absl::Status status = TakeTimer(bpf_program__fd(skeleton->progs.pvs_timer));
          !status.ok()) {
        return status;
      }
      WatchExits(false);
      pvsched_bpf__destroy(skeleton_);
      skeleton_ = skeleton.release();
      WatchExits(IsAnyExpected());
      has_kick_hook_ = hook != nullptr;
      policy_path_ = policy_path;
      TakeLibbpfLog();
      return absl::OkStatus();
    }
  }
  return absl::FailedPreconditionError(absl::StrCat(
      policy_path.empty() ? "the kernel refused the BPF programs"
                          : absl::StrCat("the kernel refused the policy ", policy_path),
      " (", strerror(-error), "):\n", TakeLibbpfLog()));
}

void BpfObject::Choose(pvsched_bpf& skeleton, const char* kick_hook) {
  skeleton.rodata->pvs_actuator = static_cast<uint32_t>(actuator_kind_);
  if (kick_hook != nullptr) {
    bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton.obj, kick_hook), true);
    // Where one function's entry is open to programs, the others' are.
    if (actuator_kind_ == ActuatorKind::kKfunc) ChooseUnlockedHooks(skeleton);
  }
  bpf_map__set_autoattach(skeleton.maps.pvs_scx_ops, false);
  if (actuator_kind_ != ActuatorKind::kScx) {
    bpf_map__set_autocreate(skeleton.maps.pvs_scx_ops, false);
    // Nobody asks for these then: without their maps the programs do not load.
    for (bpf_map* map : {skeleton.maps.task_ctxs, skeleton.maps.cpu_ctxs, skeleton.maps.clocks,
                         skeleton.maps.groups, skeleton.maps.parked_timer, skeleton.maps.young,
                         skeleton.maps.together}) {
      bpf_map__set_autocreate(map, false);
    }
    return;
  }
  DropHooks(skeleton);
  // As the kick hook: where the kernel lets nobody in, no VM is seen to begin.
  if (kick_hook != nullptr) {
    bpf_program__set_autoload(skeleton.progs.pvs_kvm_arch_init_vm, true);
  }
  missing_callbacks_ =
      DropUnknownCallbacks(*skeleton.maps.pvs_scx_ops, *bpf_object__btf(skeleton.obj));
  // Without that callback every switch of the host's is looked at instead.
  if (std::erase(missing_callbacks_, "cpu_release") != 0) {
    bpf_program__set_autoload(skeleton.progs.pvs_cpu_taken, true);
  }
  // Else the kernel puts a task that must not migrate at its CPU's head, with a new slice,
  // each time that a real-time task was there: one that is busy would let nobody else run.
  skeleton.struct_ops.pvs_scx_ops->flags |= ScxOpsFlag("SCX_OPS_ENQ_MIGRATION_DISABLED");
  skeleton.rodata->pvs_nr_cpus = PossibleCpus();
  skeleton.rodata->pvs_nr_nodes = PossibleNodes();
}

int BpfObject::Attach(pvsched_bpf& skeleton) {
  if (const int error = pvsched_bpf__attach(&skeleton); error != 0) return error;
  if (actuator_kind_ != ActuatorKind::kScx) return 0;
  // One at a time: between the two the host has its own scheduler.
  bpf_link__destroy(scheduler_);
  scheduler_ = bpf_map__attach_struct_ops(skeleton.maps.pvs_scx_ops);
  if (scheduler_ != nullptr) return 0;
  const int error = -errno;
  if (skeleton_ != nullptr) {
    scheduler_ = bpf_map__attach_struct_ops(skeleton_->maps.pvs_scx_ops);
  }
  return error;
}

bool BpfObject::IsAnyExpected() const {
  return __atomic_load_n(&skeleton_->bss->pvs_unbound_count, __ATOMIC_RELAXED) != 0;
}

void BpfObject::WatchExits(bool watch) {
  if (actuator_kind_ != ActuatorKind::kScx || watch == (exit_hook_ != nullptr)) return;
  bpf_link__destroy(exit_hook_);
  exit_hook_ = watch ? bpf_program__attach(skeleton_->progs.pvs_kvm_exit) : nullptr;
}

void BpfObject::SetBootTime(uint64_t ns) {
  __atomic_store_n(&skeleton_->bss->pvs_boot_ns, ns, __ATOMIC_RELAXED);
}

pvs_scx_counts BpfObject::scx_counts() const {
  pvs_scx_counts sum = {};
  constexpr size_t kCounters = sizeof(sum) / sizeof(uint64_t);
  auto* total = reinterpret_cast<uint64_t*>(&sum);
  for (uint32_t cpu = 0; cpus_ != nullptr && cpu < PVS_MAX_CPUS; ++cpu) {
    const auto* counts = reinterpret_cast<const uint64_t*>(&cpus_[cpu].counts);
    for (size_t i = 0; i < kCounters; ++i) {
      total[i] += __atomic_load_n(&counts[i], __ATOMIC_RELAXED);
    }
  }
  return sum;
}

bool BpfObject::has_scx_ended() const {
  return scheduler_ == nullptr || skeleton_->bss->pvs_scx_exit.is_detached == 0;
}

pvs_scx_exit BpfObject::scx_exit() const { return skeleton_->bss->pvs_scx_exit; }

// Onto the same number, in one step: another thread may be about to run it.
absl::Status BpfObject::TakeTimer(int program) {
  if (!timer_program_) {
    timer_program_ = UniqueFd(fcntl(program, F_DUPFD_CLOEXEC, 0));
    if (timer_program_) return absl::OkStatus();
  } else if (dup3(program, timer_program_.get(), O_CLOEXEC) >= 0) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, "cannot keep the timer's program");
}

absl::Status BpfObject::MapSlots() {
  void* address = mmap(nullptr, PVS_MAX_VCPUS * sizeof(pvs_slot), PROT_READ | PROT_WRITE,
                       MAP_SHARED, bpf_map__fd(skeleton_->maps.slots), 0);
  if (address == MAP_FAILED) return absl::ErrnoToStatus(errno, "cannot map the vCPU slots");
  slots_ = static_cast<pvs_slot*>(address);
  address = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED,
                 bpf_map__fd(skeleton_->maps.watched), 0);
  if (address == MAP_FAILED) return absl::ErrnoToStatus(errno, "cannot map a BPF map");
  watched_ = static_cast<uint32_t*>(address);
  if (actuator_kind_ != ActuatorKind::kScx) return absl::OkStatus();
  address = mmap(nullptr, PVS_MAX_CPUS * sizeof(pvs_cpu_ctx), PROT_READ, MAP_SHARED,
                 bpf_map__fd(skeleton_->maps.cpu_ctxs), 0);
  if (address == MAP_FAILED) return absl::ErrnoToStatus(errno, "cannot map the scheduler's CPUs");
  cpus_ = static_cast<pvs_cpu_ctx*>(address);
  return absl::OkStatus();
}

// An update of a map of maps returns only after an RCU grace period, so that
// no program can still hold the old inner map: that is the one way by which a
// process can wait for running programs on every host (membarrier() refuses
// where CPUs are nohz_full).
absl::Status BpfObject::MakeFence() {
  fence_inner_ = UniqueFd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "pvs_fence_in", 4, 4, 1, nullptr));
  if (!fence_inner_) return absl::ErrnoToStatus(errno, "cannot create a BPF map");
  LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = static_cast<__u32>(fence_inner_.get()));
  fence_outer_ =
      UniqueFd(bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "pvs_fence", 4, 4, 1, &options));
  if (!fence_outer_) return absl::ErrnoToStatus(errno, "cannot create a BPF map of maps");
  return absl::OkStatus();
}

void BpfObject::Fence() {
  const uint32_t key = 0;
  const int inner = fence_inner_.get();
  if (bpf_map_update_elem(fence_outer_.get(), &key, &inner, BPF_ANY) != 0) {
    PLOG(ERROR) << "cannot wait for the BPF programs";
  }
}

absl::Status BpfObject::SetTunables(uint32_t vm, const pvs_tunables& tunables) {
  const int error = bpf_map__update_elem(skeleton_->maps.vm_tunables, &vm, sizeof(vm), &tunables,
                                         sizeof(tunables), 0);
  return error == 0 ? absl::OkStatus() : BpfError("cannot set tunables", error);
}

absl::Status BpfObject::Expect(pid_t tgid, uint32_t vcpu_id) {
  const pvs_unbound_key key = {.tgid = static_cast<__u32>(tgid), .vcpu_id = vcpu_id};
  const uint32_t value = 1;
  const int error = bpf_map__update_elem(skeleton_->maps.unbound, &key, sizeof(key), &value,
                                         sizeof(value), BPF_NOEXIST);
  if (error == -EEXIST) return absl::OkStatus();
  if (error != 0) return BpfError("cannot watch for a vCPU's thread", error);
  __atomic_fetch_add(&skeleton_->bss->pvs_unbound_count, 1, __ATOMIC_SEQ_CST);
  WatchExits(true);
  return absl::OkStatus();
}

void BpfObject::Forget(pid_t tgid, uint32_t vcpu_id) {
  const pvs_unbound_key key = {.tgid = static_cast<__u32>(tgid), .vcpu_id = vcpu_id};
  // Whoever deletes the key counts it off: this, or the program that saw it.
  if (bpf_map__delete_elem(skeleton_->maps.unbound, &key, sizeof(key), 0) == 0) {
    __atomic_fetch_sub(&skeleton_->bss->pvs_unbound_count, 1, __ATOMIC_SEQ_CST);
  }
  WatchExits(IsAnyExpected());
}

namespace {

// A page of guest memory, mapped for as long as the kernel needs to pin it. Its
// pin outlives the mapping; a mapping kept could be made to fault by truncating
// the file.
class MappedGuestPage {
 public:
  MappedGuestPage() = default;
  MappedGuestPage(MappedGuestPage&& other) noexcept { *this = std::move(other); }
  MappedGuestPage& operator=(MappedGuestPage&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(size_, other.size_);
    std::swap(address_, other.address_);
    return *this;
  }
  ~MappedGuestPage() {
    if (base_ != nullptr) munmap(base_, size_);
  }

  static absl::StatusOr<MappedGuestPage> Map(const BpfObject::Place& place) {
    struct stat info;
    if (fstat(place.memory, &info) != 0) return absl::ErrnoToStatus(errno, "fstat of guest memory");
    MappedGuestPage mapped;
    // hugetlbfs maps whole huge pages only, and says their size here.
    mapped.size_ = std::max<uint64_t>(kPage, static_cast<uint64_t>(info.st_blksize));
    const uint64_t start = place.offset / mapped.size_ * mapped.size_;
    void* base = mmap(nullptr, mapped.size_, PROT_READ | PROT_WRITE, MAP_SHARED, place.memory,
                      static_cast<off_t>(start));
    if (base == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap of guest memory");
    mapped.base_ = base;
    mapped.address_ = static_cast<char*>(base) + (place.offset - start);
    return mapped;
  }

  void* address() const { return address_; }

 private:
  void* base_ = nullptr;
  size_t size_ = 0;
  void* address_ = nullptr;
};

}  // namespace

void BpfObject::ClearSlot(uint32_t slot, const pvs_vcpu& vcpu) {
  memset(&slots_[slot], 0, sizeof(pvs_slot));
  slots_[slot].vcpu = vcpu;
}

pvs_vcpu BpfObject::CopyVcpu(uint32_t slot) {
  // As one of the programs: those that come now count themselves lost.
  while (__atomic_exchange_n(&slots_[slot].busy, 1, __ATOMIC_SEQ_CST) != 0) sched_yield();
  const pvs_vcpu vcpu = slots_[slot].vcpu;
  __atomic_store_n(&slots_[slot].busy, 0, __ATOMIC_SEQ_CST);
  return vcpu;
}

absl::Status BpfObject::Bind(const Binding& binding) {
  absl::StatusOr<MappedGuestPage> record = MappedGuestPage::Map(binding.record);
  if (!record.ok()) return record.status();
  absl::StatusOr<MappedGuestPage> preempt = MappedGuestPage();
  if (binding.preempt_count.memory >= 0) preempt = MappedGuestPage::Map(binding.preempt_count);
  if (!preempt.ok()) return preempt.status();

  const pvs_vcpu_binding value = {
      .record = static_cast<pvsched_record*>(record->address()),
      .preempt = static_cast<pvs_preempt_count*>(preempt->address()),
      .preempt_mask = binding.preempt_mask,
      .acks = binding.acknowledges_irqs ? 1u : 0u,
      .slot = binding.slot,
      .vm = binding.vm,
      .vcpu_id = binding.vcpu_id,
      .reserved = 0,
  };
  const int error =
      bpf_map__update_elem(skeleton_->maps.vcpu_bindings, &binding.thread_pidfd,
                           sizeof(binding.thread_pidfd), &value, sizeof(value), BPF_NOEXIST);
  // BpfObject remember of other threads that they are no vCPUs, until this changes.
  __atomic_fetch_add(&skeleton_->bss->pvs_binds, 1, __ATOMIC_SEQ_CST);
  WatchExits(IsAnyExpected());
  if (error != 0) return BpfError("cannot pin the record's page for its thread", error);
  return absl::OkStatus();
}

void BpfObject::RunTimer(pid_t tid) {
  pvs_timer_args arguments = {.tid = tid};
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &arguments, .ctx_size_in = sizeof(arguments));
  if (bpf_prog_test_run_opts(timer_program_.get(), &options) != 0) {
    LOG_EVERY_N_SEC(WARNING, 10) << "cannot run the timer's program: " << strerror(errno);
  }
}

void BpfObject::SetTracing(bool tracing) {
  __atomic_store_n(&skeleton_->bss->pvs_tracing, tracing ? 1 : 0, __ATOMIC_RELAXED);
}

void BpfObject::SetWatched(bool watched) {
  __atomic_store_n(watched_, watched ? 1 : 0, __ATOMIC_SEQ_CST);
}

void BpfObject::Unbind(int thread_pidfd) {
  // ENOENT and ESRCH: the thread has ended, and its entry with it.
  bpf_map__delete_elem(skeleton_->maps.vcpu_bindings, &thread_pidfd, sizeof(thread_pidfd), 0);
}

BpfObject::Ring::Ring(int map_fd, std::function<void(const void*, size_t)> on_event)
    : on_event_(std::move(on_event)), ring_(ring_buffer__new(map_fd, OnSample, this, nullptr)) {}

BpfObject::Ring::~Ring() { ring_buffer__free(ring_); }

int BpfObject::Ring::WaitFd() const { return ring_buffer__epoll_fd(ring_); }

// Not all there is: while somebody is faster to write, there would be no end.
void BpfObject::Ring::Consume() { ring_buffer__consume_n(ring_, kMostEvents); }

int BpfObject::Ring::OnSample(void* self, void* data, size_t size) {
  static_cast<Ring*>(self)->on_event_(data, size);
  return 0;
}

std::unique_ptr<BpfObject::Ring> BpfObject::Seen(
    std::function<void(const pvs_vcpu_seen&)> on_event) {
  return std::make_unique<Ring>(
      bpf_map__fd(skeleton_->maps.seen),
      [on_event = std::move(on_event)](const void* data, size_t /*size*/) {
        on_event(*static_cast<const pvs_vcpu_seen*>(data));
      });
}

std::unique_ptr<BpfObject::Ring> BpfObject::Decisions(
    std::function<void(const pvs_pending&)> on_event) {
  return std::make_unique<Ring>(
      bpf_map__fd(skeleton_->maps.decisions),
      [on_event = std::move(on_event)](const void* data, size_t /*size*/) {
        on_event(*static_cast<const pvs_pending*>(data));
      });
}

std::unique_ptr<BpfObject::Ring> BpfObject::Trace(std::function<void(const pvs_trace&)> on_event) {
  return std::make_unique<Ring>(
      bpf_map__fd(skeleton_->maps.trace),
      [on_event = std::move(on_event)](const void* data, size_t /*size*/) {
        on_event(*static_cast<const pvs_trace*>(data));
      });
}

}  // namespace pvsched
