// SPDX-License-Identifier: Apache-2.0
#include "host-policy/loader/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "host-policy/loader/host_check.h"
#include "pvsched.skel.h"

namespace pvsched {
namespace {

constexpr uint64_t kPage = 4096;

int LogFromLibbpf(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[512];
  vsnprintf(line, sizeof(line), format, args);
  LOG(WARNING) << absl::StripTrailingAsciiWhitespace(line);
  return 0;
}

absl::Status BpfError(const char* what, int error) {
  return absl::ErrnoToStatus(error < 0 ? -error : errno, what);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Programs>> Programs::Load() {
  if (absl::Status status = CheckHost(); !status.ok()) return status;
  libbpf_set_print(LogFromLibbpf);

  std::unique_ptr<Programs> programs(new Programs);
  programs->skeleton_ = pvsched_bpf__open();
  if (programs->skeleton_ == nullptr) return BpfError("cannot open the BPF programs", 0);
  if (int error = pvsched_bpf__load(programs->skeleton_); error != 0) {
    return BpfError("the kernel refused the BPF programs (its reason is above)", error);
  }
  if (absl::Status status = programs->MapSlots(); !status.ok()) return status;
  if (absl::Status status = programs->MakeFence(); !status.ok()) return status;
  if (int error = pvsched_bpf__attach(programs->skeleton_); error != 0) {
    return BpfError("cannot attach the BPF programs to the kernel's tracepoints", error);
  }
  return programs;
}

Programs::~Programs() {
  if (slots_ != nullptr) munmap(slots_, PVS_MAX_VCPUS * sizeof(pvs_slot));
  pvsched_bpf__destroy(skeleton_);
}

absl::Status Programs::MapSlots() {
  void* address = mmap(nullptr, PVS_MAX_VCPUS * sizeof(pvs_slot), PROT_READ | PROT_WRITE,
                       MAP_SHARED, bpf_map__fd(skeleton_->maps.slots), 0);
  if (address == MAP_FAILED) return absl::ErrnoToStatus(errno, "cannot map the vCPU slots");
  slots_ = static_cast<pvs_slot*>(address);
  return absl::OkStatus();
}

// An update of a map of maps returns only after an RCU grace period, so that
// no program can still hold the old inner map: that is the one way by which a
// process can wait for running programs on every host (membarrier() refuses
// where CPUs are nohz_full).
absl::Status Programs::MakeFence() {
  fence_inner_ = UniqueFd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "pvs_fence_in", 4, 4, 1, nullptr));
  if (!fence_inner_) return absl::ErrnoToStatus(errno, "cannot create a BPF map");
  LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = static_cast<__u32>(fence_inner_.get()));
  fence_outer_ =
      UniqueFd(bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "pvs_fence", 4, 4, 1, &options));
  if (!fence_outer_) return absl::ErrnoToStatus(errno, "cannot create a BPF map of maps");
  return absl::OkStatus();
}

void Programs::Fence() {
  const uint32_t key = 0;
  const int inner = fence_inner_.get();
  if (bpf_map_update_elem(fence_outer_.get(), &key, &inner, BPF_ANY) != 0) {
    PLOG(ERROR) << "cannot wait for the BPF programs";
  }
}

absl::Status Programs::SetTunables(uint32_t vm, const pvs_tunables& tunables) {
  const int error =
      bpf_map__update_elem(skeleton_->maps.vms, &vm, sizeof(vm), &tunables, sizeof(tunables), 0);
  return error == 0 ? absl::OkStatus() : BpfError("cannot set tunables", error);
}

absl::Status Programs::Expect(pid_t tgid, uint32_t vcpu_id) {
  const pvs_unbound_key key = {.tgid = static_cast<__u32>(tgid), .vcpu_id = vcpu_id};
  const uint32_t value = 1;
  const int error = bpf_map__update_elem(skeleton_->maps.unbound, &key, sizeof(key), &value,
                                         sizeof(value), BPF_NOEXIST);
  if (error == -EEXIST) return absl::OkStatus();
  if (error != 0) return BpfError("cannot watch for a vCPU's thread", error);
  __atomic_fetch_add(&skeleton_->bss->pvs_unbound_count, 1, __ATOMIC_SEQ_CST);
  return absl::OkStatus();
}

void Programs::Forget(pid_t tgid, uint32_t vcpu_id) {
  const pvs_unbound_key key = {.tgid = static_cast<__u32>(tgid), .vcpu_id = vcpu_id};
  // Whoever deletes the key counts it off: this, or the program that saw it.
  if (bpf_map__delete_elem(skeleton_->maps.unbound, &key, sizeof(key), 0) == 0) {
    __atomic_fetch_sub(&skeleton_->bss->pvs_unbound_count, 1, __ATOMIC_SEQ_CST);
  }
}

absl::Status Programs::Bind(int thread_pidfd, int memory, uint64_t offset, uint32_t slot,
                            uint32_t vm) {
  struct stat info;
  if (fstat(memory, &info) != 0) return absl::ErrnoToStatus(errno, "fstat of guest memory");
  // hugetlbfs maps whole huge pages only, and says their size here.
  const uint64_t unit = std::max<uint64_t>(kPage, info.st_blksize);
  const uint64_t base = offset / unit * unit;
  void* address =
      mmap(nullptr, unit, PROT_READ | PROT_WRITE, MAP_SHARED, memory, static_cast<off_t>(base));
  if (address == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap of the record's page");
  // The kernel's pin outlives this mapping; a mapping kept could be made to
  // fault by truncating the file.
  const absl::Cleanup unmap = [address, unit] { munmap(address, unit); };

  memset(&slots_[slot], 0, sizeof(pvs_slot));
  const pvs_thread value = {
      .record = reinterpret_cast<pvsched_record*>(static_cast<char*>(address) + (offset - base)),
      .slot = slot,
      .vm = vm,
  };
  const int error = bpf_map__update_elem(skeleton_->maps.threads, &thread_pidfd,
                                         sizeof(thread_pidfd), &value, sizeof(value), BPF_NOEXIST);
  if (error != 0) return BpfError("cannot pin the record's page for its thread", error);
  return absl::OkStatus();
}

void Programs::Unbind(int thread_pidfd) {
  // ENOENT and ESRCH: the thread has ended, and its entry with it.
  bpf_map__delete_elem(skeleton_->maps.threads, &thread_pidfd, sizeof(thread_pidfd), 0);
}

Programs::Ring::Ring(int map_fd, std::function<void(const void*, size_t)> on_event)
    : on_event_(std::move(on_event)), ring_(ring_buffer__new(map_fd, OnSample, this, nullptr)) {}

Programs::Ring::~Ring() { ring_buffer__free(ring_); }

int Programs::Ring::WaitFd() const { return ring_buffer__epoll_fd(ring_); }

void Programs::Ring::Consume() { ring_buffer__consume(ring_); }

int Programs::Ring::OnSample(void* self, void* data, size_t size) {
  static_cast<Ring*>(self)->on_event_(data, size);
  return 0;
}

std::unique_ptr<Programs::Ring> Programs::Seen(std::function<void(const pvs_seen&)> on_event) {
  return std::make_unique<Ring>(
      bpf_map__fd(skeleton_->maps.seen),
      [on_event = std::move(on_event)](const void* data, size_t /*size*/) {
        on_event(*static_cast<const pvs_seen*>(data));
      });
}

std::unique_ptr<Programs::Ring> Programs::Decisions(
    std::function<void(const pvs_decision&)> on_event) {
  return std::make_unique<Ring>(
      bpf_map__fd(skeleton_->maps.decisions),
      [on_event = std::move(on_event)](const void* data, size_t /*size*/) {
        on_event(*static_cast<const pvs_decision*>(data));
      });
}

}  // namespace pvsched
