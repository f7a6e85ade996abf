// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// A VMM that embeds the pvsched device. Instead of a guest, main() performs the
// driver's accesses to BAR0. A real VMM forwards the guest's MMIO accesses.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "pvsched/device.h"
#include "pvsched/memory_map.h"
#include "pvsched/pci_config.h"
#include "pvsched/pvsched_control.h"

// A real VMM sends these requests to pvschedd, as pvsched_control.h says.
class PrintingSink : public pvsched::RecordSink {
 public:
  absl::Status Register(uint32_t vcpu_id, const Registration& registration) override {
    printf("registered vCPU %u: %llu bytes at offset 0x%llx\n", vcpu_id,
           (unsigned long long)registration.record.length,
           (unsigned long long)registration.record.offset);
    return absl::OkStatus();
  }
  absl::Status Withdraw(uint32_t vcpu_id) override {
    printf("withdrew vCPU %u\n", vcpu_id);
    return absl::OkStatus();
  }
  absl::Status WithdrawAll() override { return absl::OkStatus(); }
};

int main() {
  constexpr uint64_t kRamSize = 1 << 20, kGpa = 0x2000, kNonce = 42;
  pvsched::UniqueFd ram(memfd_create("guest-ram", MFD_CLOEXEC));
  if (!ram || ftruncate(ram.get(), kRamSize) != 0) return EXIT_FAILURE;
  void* host = mmap(nullptr, kRamSize, PROT_READ | PROT_WRITE, MAP_SHARED, ram.get(), 0);
  if (host == MAP_FAILED) return EXIT_FAILURE;

  pvsched::MemoryMap memory;
  const absl::Status added =
      memory.Add(/*gpa=*/0, kRamSize, /*offset=*/0, {.read = true, .write = true}, std::move(ram));
  if (!added.ok()) return EXIT_FAILURE;
  PrintingSink sink;
  pvsched::Device device({.max_vcpus = 4}, &memory, &sink);

  uint16_t pci_device = 0;
  pvsched::PciConfig().Read(2, reinterpret_cast<uint8_t*>(&pci_device), sizeof(pci_device));
  printf("PCI device %04x, control protocol %d\n", pci_device, PVSCHED_CONTROL_VERSION);

  // The guest's driver negotiates, then registers the record of vCPU 1.
  device.WriteBar0(PVSCHED_REG_DRIVER_FEATURES, 8, PVSCHED_F_GRANT);
  device.WriteBar0(PVSCHED_REG_DRIVER_VERSION, 4, PVSCHED_VERSION);
  device.WriteBar0(PVSCHED_REG_STATUS, 4, PVSCHED_STATUS_DRIVER | PVSCHED_STATUS_FEATURES_OK);
  auto* record = reinterpret_cast<pvsched_record*>(static_cast<char*>(host) + kGpa);
  record->magic = PVSCHED_MAGIC;
  record->version = PVSCHED_VERSION_MAJOR;
  record->size = PVSCHED_RECORD_SIZE;
  record->vcpu_id = 1;
  record->nonce = kNonce;
  device.WriteBar0(PVSCHED_REG_VCPU_SELECT, 4, 1);
  device.WriteBar0(PVSCHED_REG_RECORD_ADDR, 8, kGpa);
  printf("result %s, registered %llu\n",
         pvsched::ResultName(static_cast<uint32_t>(device.ReadBar0(PVSCHED_REG_RESULT, 4))),
         (unsigned long long)device.ReadBar0(PVSCHED_REG_REGISTERED, 4));
  device.WriteBar0(PVSCHED_REG_RECORD_ADDR, 8, 0);  // withdraw
  return device.ReadBar0(PVSCHED_REG_REGISTERED, 4) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
