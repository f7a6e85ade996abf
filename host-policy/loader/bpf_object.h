// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_LOADER_BPF_OBJECT_H_
#define PVSCHED_HOST_POLICY_LOADER_BPF_OBJECT_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "host-policy/bpf/intf.h"

struct pvsched_bpf;
struct ring_buffer;
struct bpf_link;

namespace pvsched {

// Who applies decisions: the reader of Decisions(); the programs themselves,
// through the module pvsched_host, which must be loaded then; or the host's
// scheduler, which they are then (CheckScxSupport()).
enum class ActuatorKind : uint32_t {
  kAgent = PVS_ACTUATOR_AGENT,
  kKfunc = PVS_ACTUATOR_KFUNC,
  kScx = PVS_ACTUATOR_SCX,
};

// The BPF programs and their maps: loaded and attached while this lives, gone
// with it, together with every page that the kernel pinned for them.
//
// Thread-safety: one thread at a time, except RunTimer, SetWatched and
// WaitFd/Consume of Decisions, which may be a second thread's, and slot(), which anyone may read:
// its fields change under the reader, each of them whole.
class BpfObject {
 public:
  // With the policy in the BPF object `policy_path`, or pvsched's own if empty.
  // Fails with a sentence that names what the host lacks.
  static absl::StatusOr<std::unique_ptr<BpfObject>> Load(
      const std::string& policy_path, ActuatorKind applier = ActuatorKind::kAgent);
  ~BpfObject();
  BpfObject(const BpfObject&) = delete;
  BpfObject& operator=(const BpfObject&) = delete;

  // Puts another policy in place of the one that runs, which stays if this one
  // is refused: the error then holds the verifier's reason.
  absl::Status SetPolicy(const std::string& policy_path);
  const std::string& policy_path() const { return policy_path_; }

  // What VM number `vm` (below PVS_MAX_VMS) may do, from the next event on.
  absl::Status SetTunables(uint32_t vm, const pvs_tunables& tunables);

  // Reports the thread of this vCPU, once, through the ring Seen().
  absl::Status Expect(pid_t tgid, uint32_t vcpu_id);
  void Forget(pid_t tgid, uint32_t vcpu_id);

  // A place in guest memory.
  struct Place {
    int memory = -1;
    uint64_t offset = 0;
  };
  struct Binding {
    int thread_pidfd = -1;
    uint32_t vcpu_id = 0;
    uint32_t slot = 0;
    uint32_t vm = 0;
    Place record;         // a multiple of 256
    Place preempt_count;  // none if its memory is -1; else a multiple of 4
    uint32_t preempt_mask = 0;
    bool acknowledges_irqs = false;
  };
  // The slot starts anew, its vCPU as `vcpu`: for one that nobody uses, before
  // anybody does.
  void ClearSlot(uint32_t slot, const pvs_vcpu& vcpu = {});
  // Ties a thread to its record, whose page the kernel pins.
  absl::Status Bind(const Binding& binding);
  // No program touches the record of an unbound thread after the next Fence().
  void Unbind(int thread_pidfd);
  // Waits until every program that runs now has ended.
  void Fence();

  // Whether an interrupt for a preempted vCPU is seen before it runs.
  bool has_kick_hook() const { return has_kick_hook_; }

  const pvs_slot& slot(uint32_t index) const { return slots_[index]; }
  // Whole: no program changes it meanwhile.
  pvs_vcpu CopyVcpu(uint32_t slot);

  // With ActuatorKind::kKfunc, Decisions() tells only that some vCPU is boosted, and
  // not again while `watched`. To stop watching: say so, then look at all slots.
  void SetWatched(bool watched);

  // Of ActuatorKind::kScx: a VM up to this age is in its boot profile.
  void SetBootTime(uint64_t ns);
  // Of ActuatorKind::kScx: what it did, on all CPUs; when Decisions() tells
  // PVS_SCX_ENDED, whether it did, or another policy's took its place; why;
  // callbacks that this kernel does not have.
  pvs_scx_counts scx_counts() const;
  bool has_scx_ended() const;
  pvs_scx_exit scx_exit() const;
  const std::vector<std::string>& missing_callbacks() const { return missing_callbacks_; }

  // Lets the policy judge a vCPU again though nothing has happened to it.
  void RunTimer(pid_t tid);

  // The programs tell Trace() of each decision while `tracing`.
  void SetTracing(bool tracing);

  bool is_watched() const { return __atomic_load_n(watched_, __ATOMIC_SEQ_CST) != 0; }

  // A ring buffer of events out of the programs.
  class Ring {
   public:
    Ring(int map_fd, std::function<void(const void*, size_t)> on_event);
    ~Ring();
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    // Readable while there is something to consume.
    int WaitFd() const;
    // At most kMostEvents of it.
    void Consume();
    static constexpr size_t kMostEvents = 256;

   private:
    static int OnSample(void* self, void* data, size_t size);
    std::function<void(const void*, size_t)> on_event_;
    ring_buffer* ring_ = nullptr;
  };
  std::unique_ptr<Ring> Seen(std::function<void(const pvs_vcpu_seen&)> on_event);
  std::unique_ptr<Ring> Decisions(std::function<void(const pvs_pending&)> on_event);
  std::unique_ptr<Ring> Trace(std::function<void(const pvs_trace&)> on_event);

 private:
  BpfObject() = default;
  absl::Status MapSlots();
  // Chooses the programs for the applier; `kick_hook` may be none.
  void Choose(pvsched_bpf& skeleton, const char* kick_hook);
  int Attach(pvsched_bpf& skeleton);
  // The one hook on VM exits that a scheduler needs, while a thread is looked for.
  void WatchExits(bool watch);
  bool IsAnyExpected() const;
  absl::Status TakeTimer(int program);
  absl::Status MakeFence();

  pvsched_bpf* skeleton_ = nullptr;
  pvs_slot* slots_ = nullptr;
  uint32_t* watched_ = nullptr;
  pvs_cpu_ctx* cpus_ = nullptr;
  bpf_link* scheduler_ = nullptr;
  bpf_link* exit_hook_ = nullptr;
  std::vector<std::string> missing_callbacks_;
  ActuatorKind actuator_kind_ = ActuatorKind::kAgent;
  bool has_kick_hook_ = false;
  std::string policy_path_;
  UniqueFd timer_program_;  // one number for good, so that RunTimer needs no lock
  UniqueFd fence_outer_;
  UniqueFd fence_inner_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_BPF_OBJECT_H_
