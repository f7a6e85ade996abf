// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/vcpu_binding.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "absl/log/log.h"

namespace pvsched {
namespace {

// A descriptor of our own: libbpf closes the object's when another policy is loaded.
absl::StatusOr<UniqueFd> MapFd(const bpf_object& object, const char* name) {
  const int fd = bpf_object__find_map_fd_by_name(&object, name);
  UniqueFd own(fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) return absl::ErrnoToStatus(errno, "cannot keep a BPF map");
  return own;
}

}  // namespace

absl::StatusOr<VcpuBindings> VcpuBindings::Create(const bpf_object& object,
                                                  const SharedVariables& variables) {
  VcpuBindings bindings;
  absl::StatusOr<UniqueFd> fd = MapFd(object, "vcpu_bindings");
  if (!fd.ok()) return fd.status();
  bindings.bindings_ = *std::move(fd);
  bindings.binds_ = variables.Find<uint32_t>(object, "pvs_binds");
  bindings.bound_tids_ =
      variables.Find<std::array<uint16_t, PVS_TID_BUCKETS>>(object, "pvs_bound_tids");
  if (bindings.binds_ == nullptr || bindings.bound_tids_ == nullptr) {
    return absl::InternalError("the BPF object does not count vCPUs");
  }
  if (absl::Status status = bindings.CreateFence(); !status.ok()) return status;
  return bindings;
}

absl::Status VcpuBindings::Bind(const Binding& binding) {
  const absl::StatusOr<MappedGuestPage> record = MappedGuestPage::Map(binding.record);
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
  // Before the binding exists: a thread whose bucket is 0 is not looked up.
  ++Bucket(binding.tid);
  const int error =
      bpf_map_update_elem(bindings_.get(), &binding.thread_pidfd, &value, BPF_NOEXIST) == 0 ? 0
                                                                                            : errno;
  // The scheduler caches for each other thread that it is no vCPU, until this count changes.
  __atomic_fetch_add(binds_, 1, __ATOMIC_SEQ_CST);
  if (error != 0) {
    --Bucket(binding.tid);
    return absl::ErrnoToStatus(error, "cannot pin the record's page for its thread");
  }
  tids_[binding.thread_pidfd] = binding.tid;
  return absl::OkStatus();
}

void VcpuBindings::Unbind(int thread_pidfd) {
  // ENOENT, ESRCH: the thread has ended, and its entry with it.
  bpf_map_delete_elem(bindings_.get(), &thread_pidfd);
  if (const auto bound = tids_.extract(thread_pidfd)) --Bucket(bound.mapped());
}

uint16_t& VcpuBindings::Bucket(pid_t tid) {
  return (*bound_tids_)[static_cast<uint32_t>(tid) % PVS_TID_BUCKETS];
}

// The update of a map of maps returns after an RCU grace period, so that no program can
// still use the old inner map. No other way to wait for running programs works on every
// host: membarrier() refuses where CPUs are nohz_full.
absl::Status VcpuBindings::CreateFence() {
  fence_inner_ = UniqueFd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "pvs_fence_in", 4, 4, 1, nullptr));
  if (!fence_inner_) return absl::ErrnoToStatus(errno, "cannot create a BPF map");
  LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = static_cast<__u32>(fence_inner_.get()));
  fence_outer_ =
      UniqueFd(bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "pvs_fence", 4, 4, 1, &options));
  if (!fence_outer_) return absl::ErrnoToStatus(errno, "cannot create a BPF map of maps");
  return absl::OkStatus();
}

void VcpuBindings::Fence() {
  const uint32_t key = 0;
  const int inner = fence_inner_.get();
  if (bpf_map_update_elem(fence_outer_.get(), &key, &inner, BPF_ANY) != 0) {
    PLOG(ERROR) << "cannot wait for the BPF programs";
  }
}

}  // namespace pvsched
