// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/vcpu_search.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>

#include "absl/status/status.h"
#include "common/unique_fd.h"

namespace pvsched {
namespace {

// More vCPUs than KVM allows a VM (KVM_MAX_VCPUS).
constexpr size_t kMaxVcpus = 8192;
// A VMM decides how many files it opens, and pvschedd waits for the search.
constexpr std::chrono::milliseconds kMaxTime(100);

}  // namespace

absl::StatusOr<std::vector<pvs_vcpu_found>> FindVcpus(int program_fd, int pidfd) {
  bpf_iter_link_info info = {};
  info.task.pid_fd = static_cast<__u32>(pidfd);
  LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &info, .iter_info_len = sizeof(info));
  const UniqueFd link(bpf_link_create(program_fd, 0, BPF_TRACE_ITER, &options));
  if (!link) return absl::ErrnoToStatus(errno, "cannot search a process's vCPUs");
  const UniqueFd files(bpf_iter_create(link.get()));
  if (!files) return absl::ErrnoToStatus(errno, "cannot search a process's vCPUs");

  std::vector<pvs_vcpu_found> vcpus;
  std::array<pvs_vcpu_found, 256> chunk;
  const auto end = std::chrono::steady_clock::now() + kMaxTime;
  while (vcpus.size() < kMaxVcpus && std::chrono::steady_clock::now() < end) {
    const ssize_t bytes = read(files.get(), chunk.data(), sizeof(chunk));
    if (bytes == 0) return vcpus;
    if (bytes < 0) {
      // EAGAIN: the kernel pauses after a million files without a vCPU.
      if (errno == EINTR || errno == EAGAIN) continue;
      return absl::ErrnoToStatus(errno, "cannot read a process's vCPUs");
    }
    vcpus.insert(vcpus.end(), chunk.begin(),
                 chunk.begin() + static_cast<size_t>(bytes) / sizeof(chunk[0]));
  }
  return absl::ResourceExhaustedError("the VMM has too many open files to search its vCPUs");
}

}  // namespace pvsched
