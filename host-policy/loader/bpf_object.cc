// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/errno_status.h"
#include "common/libbpf_log.h"
#include "host-policy/loader/host_check.h"
#include "host-policy/loader/own_objects.h"
#include "host-policy/loader/policy_linker.h"
#include "host-policy/loader/program_choice.h"
#include "host-policy/loader/scx_support.h"
#include "host-policy/loader/topology.h"
#include "host-policy/loader/vcpu_search.h"

namespace pvsched {
namespace {

bpf_program* Program(const bpf_object& object, const char* name) {
  return bpf_object__find_program_by_name(&object, name);
}

// Events that the kernel did not pass to this program, as it already ran on the CPU.
uint64_t RecursionMissesOf(const bpf_program* program) {
  bpf_prog_info info = {};
  uint32_t size = sizeof(info);
  const int fd = program == nullptr ? -1 : bpf_program__fd(program);
  return fd >= 0 && bpf_prog_get_info_by_fd(fd, &info, &size) == 0 ? info.recursion_misses : 0;
}

// Events that no program saw, at most. Of two programs of one function each sees what the
// other misses, so both have missed at most the smaller of their numbers.
uint64_t RecursionMisses(const bpf_object* object) {
  uint64_t misses = 0;
  if (object == nullptr) return misses;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    const std::string name = bpf_program__name(program);
    if (absl::EndsWith(name, kSecondSuffix)) continue;
    const bpf_program* second = Program(*object, absl::StrCat(name, kSecondSuffix).c_str());
    const uint64_t missed = RecursionMissesOf(program);
    misses += second == nullptr ? missed : std::min(missed, RecursionMissesOf(second));
  }
  return misses;
}

// Logs why the verifier refused the programs with this hook. The usual failure, a kernel
// without the function or without fentry, has other error numbers.
void LogIfRefused(absl::string_view hook, int error) {
  if (error != -EACCES && error != -EINVAL && error != -E2BIG) return;
  const std::string log = TakeLibbpfLog();
  constexpr size_t kEnd = 2000;  // the verifier's reason is at the end
  LOG(WARNING) << "the kernel's verifier refused the programs with " << hook << " ("
               << strerror(-error) << "), so they are tried without it:\n"
               << absl::string_view(log).substr(log.size() - std::min(log.size(), kEnd));
}

// Gives `to` the maps of `from` that pvsched's own object has. Each object has a scheduler,
// constants, and maps and variables of its policy, of its own.
void ReuseMaps(const bpf_object& own, const bpf_object& from, const bpf_object& to) {
  const bpf_map* map = nullptr;
  bpf_object__for_each_map(map, &own) {
    if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS) continue;
    if ((bpf_map__map_flags(map) & BPF_F_RDONLY_PROG) != 0) continue;
    const bpf_map* old = bpf_object__find_map_by_name(&from, bpf_map__name(map));
    bpf_map* next = bpf_object__find_map_by_name(&to, bpf_map__name(map));
    if (old != nullptr && next != nullptr && bpf_map__fd(old) >= 0) {
      bpf_map__reuse_fd(next, bpf_map__fd(old));
    }
  }
}

// Copies what a BPF program may be writing. Acquire loads keep a later load of `busy` behind
// them; a fence would too, but the thread sanitizer does not know fences.
void LoadWords(const pvs_vcpu& from, pvs_vcpu& to) {
  static_assert(sizeof(from) % sizeof(uint64_t) == 0 && alignof(pvs_vcpu) == alignof(uint64_t));
  const auto* source = reinterpret_cast<const uint64_t*>(&from);
  auto* target = reinterpret_cast<uint64_t*>(&to);
  for (size_t i = 0; i < sizeof(from) / sizeof(uint64_t); ++i) {
    target[i] = __atomic_load_n(&source[i], __ATOMIC_ACQUIRE);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<BpfObject>> BpfObject::Load(const std::string& policy_path,
                                                           ActuatorKind kind,
                                                           const ScxSettings& scx) {
  if (absl::Status status = CheckHost(); !status.ok()) return status;
  CaptureLibbpfLog();
  std::unique_ptr<BpfObject> bpf(new BpfObject);
  bpf->actuator_kind_ = kind;
  bpf->scx_settings_ = scx;
  if (absl::Status status = bpf->SetPolicy(policy_path); !status.ok()) return status;
  malloc_trim(0);  // loading takes several times the memory that pvschedd needs later
  return bpf;
}

absl::string_view BpfObject::OwnBytes() const {
  return actuator_kind_ == ActuatorKind::kScx ? ScxObject() : HooksObject();
}

absl::Status BpfObject::SetPolicy(const std::string& policy_path, const std::string& file) {
  absl::string_view bytes = OwnBytes();
  absl::StatusOr<std::string> linked;
  if (!policy_path.empty()) {
    linked = LinkPolicy(bytes, file.empty() ? policy_path : file, policy_path);
    if (!linked.ok()) return linked.status();
    bytes = *linked;
  }
  TakeLibbpfLog();
  int error = 0;
  for (const char* hook : kKickHooks) {
    Programs next = {.object = OpenBpfObject(bytes), .links = {}};
    if (next.object == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot open the BPF programs:\n", TakeLibbpfLog()));
    }
    ASSIGN_OR_RETURN(missing_callbacks_,
                     ChoosePrograms(*next.object, actuator_kind_, hook, scx_settings_));
    error = Start(next);
    if (error != 0) {
      if (hook != nullptr) LogIfRefused(hook, error);
      continue;
    }
    if (absl::Status status = Adopt(std::move(next)); !status.ok()) return status;
    has_kick_hook_ = hook != nullptr;
    policy_path_ = policy_path;
    TakeLibbpfLog();
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      policy_path.empty() ? "the kernel refused the BPF programs"
                          : absl::StrCat("the kernel refused the policy ", policy_path),
      " (", strerror(-error), "):\n", TakeLibbpfLog()));
}

int BpfObject::Start(Programs& next) {
  // The same maps under new programs: bindings, slots and tunables stay.
  if (programs_.object != nullptr) {
    const BpfObjectPtr own = OpenBpfObject(OwnBytes());
    if (own == nullptr) return -ENOMEM;
    ReuseMaps(*own, *programs_.object, *next.object);
  }
  if (const int error = bpf_object__load(next.object.get()); error != 0) return error;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, next.object.get()) {
    // The other types are the scheduler's callbacks and what RunTimer() runs.
    if (bpf_program__type(program) != BPF_PROG_TYPE_TRACING) continue;
    if (!bpf_program__autoload(program) || !bpf_program__autoattach(program)) continue;
    BpfLinkPtr link(bpf_program__attach(program));
    if (link == nullptr) return -errno;
    next.links.push_back(std::move(link));
  }
  return actuator_kind_ == ActuatorKind::kScx ? StartScheduler(*next.object) : 0;
}

int BpfObject::StartScheduler(const bpf_object& object) {
  // The kernel has one sched_ext scheduler at a time. Between the two calls the host has its
  // default scheduler.
  scheduler_.reset();
  scheduler_.reset(
      bpf_map__attach_struct_ops(bpf_object__find_map_by_name(&object, kSchedulerMap)));
  if (scheduler_ != nullptr) return 0;
  const int error = -errno;
  if (programs_.object != nullptr) {
    scheduler_.reset(bpf_map__attach_struct_ops(
        bpf_object__find_map_by_name(programs_.object.get(), kSchedulerMap)));
  }
  return error;
}

absl::Status BpfObject::Adopt(Programs next) {
  if (absl::Status status = KeepTimer(bpf_program__fd(Program(*next.object, "pvs_timer")));
      !status.ok()) {
    return status;
  }
  if (!bindings_.has_value()) {
    if (absl::Status status = MapShared(*next.object); !status.ok()) return status;
  }
  std::swap(programs_, next);
  past_recursion_misses_ += RecursionMisses(next.object.get());
  return absl::OkStatus();
}

absl::Status BpfObject::MapShared(const bpf_object& object) {
  absl::StatusOr<SharedVariables> variables = SharedVariables::Map(object);
  if (!variables.ok()) return variables.status();
  variables_ = *std::move(variables);
  tracing_ = variables_.Find<uint32_t>(object, "pvs_tracing");
  if (tracing_ == nullptr) return absl::InternalError("the BPF object has no tracing");
  if (actuator_kind_ == ActuatorKind::kScx) {
    boot_ns_ = variables_.Find<uint64_t>(object, "pvs_boot_boost_ns");
    scx_exit_ = variables_.Find<pvs_scx_exit>(object, "pvs_scx_exit");
    bw_timer_at_ = variables_.Find<uint64_t>(object, "pvs_bw_timer_at");
    if (boot_ns_ == nullptr || scx_exit_ == nullptr || bw_timer_at_ == nullptr) {
      return absl::InternalError("the BPF object has no scheduler's variables");
    }
  }
  const auto map = [&object](MappedMap& mapped, const char* name, int prot) -> absl::Status {
    const bpf_map* found = bpf_object__find_map_by_name(&object, name);
    if (found == nullptr) return absl::InternalError(absl::StrCat("no BPF map ", name));
    absl::StatusOr<MappedMap> result = MappedMap::Map(*found, prot);
    if (!result.ok()) return result.status();
    mapped = *std::move(result);
    return absl::OkStatus();
  };
  if (absl::Status status = map(slots_, "slots", PROT_READ | PROT_WRITE); !status.ok()) {
    return status;
  }
  if (absl::Status status = map(watched_, "watched", PROT_READ | PROT_WRITE); !status.ok()) {
    return status;
  }
  if (actuator_kind_ == ActuatorKind::kScx) {
    if (absl::Status status = map(cpus_, "cpu_ctxs", PROT_READ); !status.ok()) return status;
  }
  absl::StatusOr<VcpuBindings> bindings = VcpuBindings::Create(object, variables_);
  if (!bindings.ok()) return bindings.status();
  bindings_ = *std::move(bindings);
  return absl::OkStatus();
}

// Replaces the program behind the descriptor in one step: another thread may be in RunTimer().
absl::Status BpfObject::KeepTimer(int program_fd) {
  if (!timer_program_) {
    timer_program_ = UniqueFd(fcntl(program_fd, F_DUPFD_CLOEXEC, 0));
    if (timer_program_) return absl::OkStatus();
  } else if (dup3(program_fd, timer_program_.get(), O_CLOEXEC) >= 0) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, "cannot keep the timer's program");
}

absl::Status BpfObject::SetTunables(uint32_t vm, const pvs_tunables& tunables) {
  if (bpf_map_update_elem(MapFd("vm_tunables"), &vm, &tunables, BPF_ANY) != 0) {
    return absl::ErrnoToStatus(errno, "cannot set tunables");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<pvs_vcpu_found>> BpfObject::FindVcpus(int pidfd) const {
  return pvsched::FindVcpus(bpf_program__fd(Program(*programs_.object, kSearchProgram)), pidfd);
}

uint64_t BpfObject::recursion_misses() const {
  return past_recursion_misses_ + RecursionMisses(programs_.object.get());
}

void BpfObject::ClearSlot(uint32_t slot, const pvs_vcpu& vcpu) {
  memset(&slots()[slot], 0, sizeof(pvs_slot));
  slots()[slot].vcpu = vcpu;
}

pvs_vcpu BpfObject::CopyVcpu(uint32_t slot) const {
  const pvs_slot& from = slots()[slot];
  pvs_vcpu vcpu;
  uint32_t busy = 0;
  do {
    // A holder cannot be preempted for long, so this ends after a few microseconds.
    while (((busy = __atomic_load_n(&from.busy, __ATOMIC_ACQUIRE)) & PVS_BUSY) != 0) sched_yield();
    LoadWords(from.vcpu, vcpu);
    // Unchanged: no program has held the slot meanwhile.
  } while (__atomic_load_n(&from.busy, __ATOMIC_RELAXED) != busy);
  return vcpu;
}

void BpfObject::SetWatched(bool watched) {
  __atomic_store_n(this->watched(), watched ? 1 : 0, __ATOMIC_SEQ_CST);
}

bool BpfObject::is_watched() const { return __atomic_load_n(watched(), __ATOMIC_SEQ_CST) != 0; }

void BpfObject::SetBootTime(uint64_t ns) {
  if (boot_ns_ != nullptr) __atomic_store_n(boot_ns_, ns, __ATOMIC_RELAXED);
}

pvs_scx_counts BpfObject::scx_counts() const {
  pvs_scx_counts sum = {};
  constexpr size_t kCounters = sizeof(sum) / sizeof(uint64_t);
  auto* total = reinterpret_cast<uint64_t*>(&sum);
  const auto* cpus = static_cast<const pvs_cpu_ctx*>(cpus_.address());
  for (uint32_t cpu = 0; cpus != nullptr && cpu < PVS_MAX_CPUS; ++cpu) {
    const auto* counts = reinterpret_cast<const uint64_t*>(&cpus[cpu].counts);
    for (size_t i = 0; i < kCounters; ++i) {
      total[i] += __atomic_load_n(&counts[i], __ATOMIC_RELAXED);
    }
  }
  return sum;
}

bool BpfObject::has_scx_ended() const {
  return scheduler_ == nullptr || scx_exit_->is_detached == 0;
}

pvs_scx_exit BpfObject::scx_exit() const {
  return scx_exit_ == nullptr ? pvs_scx_exit{} : *scx_exit_;
}

void BpfObject::RunTimer(pid_t tid) {
  pvs_timer_args arguments = {.tid = tid};
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &arguments, .ctx_size_in = sizeof(arguments));
  if (bpf_prog_test_run_opts(timer_program_.get(), &options) != 0) {
    LOG_EVERY_N_SEC(WARNING, 10) << "cannot run the timer's program: " << strerror(errno);
  }
}

uint64_t BpfObject::BwTimerAt() const { return __atomic_load_n(bw_timer_at_, __ATOMIC_RELAXED); }

void BpfObject::RunBwTimer() {
  const int program = bpf_program__fd(Program(*programs_.object, kBwTimerProgram));
  LIBBPF_OPTS(bpf_test_run_opts, options);
  if (bpf_prog_test_run_opts(program, &options) != 0) {
    LOG_EVERY_N_SEC(WARNING, 10)
        << "cannot run the program that wakes idle CPUs for throttled tasks: " << strerror(errno);
  }
}

void BpfObject::SetTracing(bool tracing) {
  __atomic_store_n(tracing_, tracing ? 1 : 0, __ATOMIC_RELAXED);
}

int BpfObject::MapFd(const char* name) const {
  return bpf_object__find_map_fd_by_name(programs_.object.get(), name);
}

std::unique_ptr<Ring> BpfObject::Decisions(std::function<void(const pvs_pending&)> on_event) {
  return MakeRing(MapFd("decisions"), std::move(on_event));
}

std::unique_ptr<Ring> BpfObject::Trace(std::function<void(const pvs_trace&)> on_event) {
  return MakeRing(MapFd("trace"), std::move(on_event));
}

}  // namespace pvsched
