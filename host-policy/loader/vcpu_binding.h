// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_VCPU_BINDING_H_
#define PVSCHED_HOST_POLICY_LOADER_VCPU_BINDING_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "host-policy/bpf/intf.h"
#include "host-policy/loader/bpf_variables.h"
#include "host-policy/loader/guest_page.h"

namespace pvsched {

// Ties vCPU threads to their records, in maps that outlive a change of policy.
//
// Thread-safety: one thread at a time.
class VcpuBindings {
 public:
  struct Binding {
    int thread_pidfd = -1;
    pid_t tid = 0;  // of the same thread
    uint32_t vcpu_id = 0;
    uint32_t slot = 0;
    uint32_t vm = 0;
    GuestAddress record;         // its offset is a multiple of 256
    GuestAddress preempt_count;  // optional; its offset is a multiple of 4
    uint32_t preempt_mask = 0;
    bool acknowledges_irqs = false;
  };

  // Of a loaded object, whose shared variables must outlive this.
  static absl::StatusOr<VcpuBindings> Create(const bpf_object& object,
                                             const SharedVariables& variables);

  // As BpfObject's functions of these names.
  absl::Status Bind(const Binding& binding);
  void Unbind(int thread_pidfd);
  void Fence();

 private:
  absl::Status CreateFence();
  uint16_t& Bucket(pid_t tid);

  UniqueFd bindings_;
  UniqueFd fence_outer_;
  UniqueFd fence_inner_;
  uint32_t* binds_ = nullptr;  // bindings made so far
  std::array<uint16_t, PVS_TID_BUCKETS>* bound_tids_ = nullptr;
  std::map<int, pid_t> tids_;  // of the bound threads, by pidfd
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_VCPU_BINDING_H_
