// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/native/mini_vm.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/status/status.h"

namespace pvsched {
namespace {

// Guest-physical layout, below 64 KiB so that real mode reaches it.
constexpr uint64_t kRamSize = 0x40000;
constexpr uint16_t kCode = 0x1000;
constexpr uint16_t kMailboxes = 0x2000;  // 16 bytes a vCPU: its intent, at 8: its preempt count
constexpr uint16_t kRecords = 0x4000;
constexpr int kMaxVcpus = 32;

// bx: the mailbox, si: the record's intent; set by KVM_SET_REGS.
//   1: mov eax, [bx]; mov [si], eax; out 0x10, al; jmp 1b
constexpr uint8_t kProgram[] = {0x66, 0x8b, 0x07, 0x66, 0x89, 0x04, 0xe6, 0x10, 0xeb, 0xf6};

absl::Status Errno(const char* what) { return absl::ErrnoToStatus(errno, what); }

}  // namespace

uint64_t MiniVm::record_offset(int vcpu) {
  return kRecords + static_cast<uint64_t>(vcpu) * PVSCHED_RECORD_SIZE;
}

pvsched_record& MiniVm::record(int vcpu) {
  return *reinterpret_cast<pvsched_record*>(ram_ + record_offset(vcpu));
}

uint64_t MiniVm::preempt_count_offset(int vcpu) {
  return kMailboxes + static_cast<uint64_t>(vcpu) * 16 + 8;
}

uint32_t& MiniVm::preempt_count(int vcpu) {
  return *reinterpret_cast<uint32_t*>(ram_ + preempt_count_offset(vcpu));
}

void MiniVm::SetIntent(int vcpu, uint64_t word) {
  __atomic_store_n(
      reinterpret_cast<uint32_t*>(ram_ + kMailboxes + static_cast<ptrdiff_t>(vcpu) * 16),
      static_cast<uint32_t>(word), __ATOMIC_RELAXED);
}

absl::StatusOr<std::unique_ptr<MiniVm>> MiniVm::Create(int vcpus) {
  return CreateWith(vcpus, kProgram);
}

absl::StatusOr<std::unique_ptr<MiniVm>> MiniVm::CreateWith(int vcpus,
                                                           absl::Span<const uint8_t> program) {
  if (vcpus < 1 || vcpus > kMaxVcpus) return absl::InvalidArgumentError("vcpus");
  std::unique_ptr<MiniVm> vm(new MiniVm);
  vm->memory_ = UniqueFd(memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!vm->memory_ || ftruncate(vm->memory_.get(), kRamSize) != 0) return Errno("memfd");
  void* ram = mmap(nullptr, kRamSize, PROT_READ | PROT_WRITE, MAP_SHARED, vm->memory_.get(), 0);
  if (ram == MAP_FAILED) return Errno("mmap");
  vm->ram_ = static_cast<uint8_t*>(ram);
  memcpy(vm->ram_ + kCode, program.data(), program.size());

  vm->kvm_ = UniqueFd(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!vm->kvm_) return Errno("/dev/kvm");
  vm->vm_ = UniqueFd(ioctl(vm->kvm_.get(), KVM_CREATE_VM, 0));
  if (!vm->vm_) return Errno("KVM_CREATE_VM");
  kvm_userspace_memory_region region = {};
  region.memory_size = kRamSize;
  region.userspace_addr = reinterpret_cast<uint64_t>(ram);
  if (ioctl(vm->vm_.get(), KVM_SET_USER_MEMORY_REGION, &region) != 0) return Errno("memory region");
  vm->run_size_ = static_cast<size_t>(ioctl(vm->kvm_.get(), KVM_GET_VCPU_MMAP_SIZE, 0));

  for (int i = 0; i < vcpus; ++i) {
    auto vcpu = std::make_unique<VcpuThread>();
    vcpu->index = i;
    vcpu->fd = UniqueFd(ioctl(vm->vm_.get(), KVM_CREATE_VCPU, i));
    if (!vcpu->fd) return Errno("KVM_CREATE_VCPU");
    vcpu->run = mmap(nullptr, vm->run_size_, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd.get(), 0);
    if (vcpu->run == MAP_FAILED) return Errno("mmap of kvm_run");
    kvm_sregs sregs;
    if (ioctl(vcpu->fd.get(), KVM_GET_SREGS, &sregs) != 0) return Errno("KVM_GET_SREGS");
    for (kvm_segment* s : {&sregs.cs, &sregs.ds}) {
      s->base = 0;
      s->selector = 0;
    }
    if (ioctl(vcpu->fd.get(), KVM_SET_SREGS, &sregs) != 0) return Errno("KVM_SET_SREGS");
    kvm_regs regs = {};
    regs.rip = kCode;
    regs.rflags = 2;
    regs.rbx = kMailboxes + static_cast<uint64_t>(i) * 16;
    regs.rsi = record_offset(i) + offsetof(pvsched_record, intent);
    if (ioctl(vcpu->fd.get(), KVM_SET_REGS, &regs) != 0) return Errno("KVM_SET_REGS");

    pvsched_record& record = vm->record(i);
    record.magic = PVSCHED_MAGIC;
    record.version = PVSCHED_VERSION_MAJOR;
    record.size = PVSCHED_RECORD_SIZE;
    record.vcpu_id = static_cast<uint32_t>(i);
    vm->vcpus_.push_back(std::move(vcpu));
  }
  return vm;
}

void MiniVm::Run() {
  for (auto& vcpu : vcpus_) {
    vcpu->thread = std::thread([this, &vcpu = *vcpu] { RunVcpu(vcpu); });
    while (vcpu->tid == 0) std::this_thread::yield();
  }
}

void MiniVm::RunVcpu(VcpuThread& vcpu) {
  vcpu.tid = gettid();
  while (!stopping_) {
    if (ioctl(vcpu.fd.get(), KVM_RUN, 0) != 0 && errno != EINTR) break;
    ++vcpu.exits;
    if (on_exit_) on_exit_(vcpu.index);
    if (const int64_t pause = pause_us_; pause != 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(pause));
    }
  }
}

void MiniVm::Stop() {
  stopping_ = true;
  for (auto& vcpu : vcpus_) {
    if (vcpu->thread.joinable()) vcpu->thread.join();
  }
}

MiniVm::~MiniVm() {
  Stop();
  for (auto& vcpu : vcpus_) {
    if (vcpu->run != nullptr && vcpu->run != MAP_FAILED) munmap(vcpu->run, run_size_);
  }
  if (ram_ != nullptr) munmap(ram_, kRamSize);
}

}  // namespace pvsched
