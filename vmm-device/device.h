// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DEVICE_H_
#define PVSCHED_VMM_DEVICE_DEVICE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/guest_range.h"
#include "pvsched_abi.h"

// The pvsched device without a transport. A VMM embeds it as follows:
// - It describes the guest's memory to a MemoryMap (memory_map.h), or derives a
//   GuestMemory of its own.
// - It derives a RecordSink that forwards registrations to pvschedd, as
//   pvsched_control.h says.
// - It forwards the guest's accesses: BAR0 to Device, configuration space to
//   PciConfig (pci_config.h).
//
// Addresses, offsets and sizes are in bytes. "gpa" is a guest-physical address.
namespace pvsched {

// The guest's memory as the device needs it. The device calls it from the
// thread that calls the device.
class GuestMemory {
 public:
  // The file range behind a range of guest-physical addresses.
  struct Mapping {
    GuestRange range;          // the fd is valid until the memory is removed
    bool is_writable = false;  // a shared mapping of the fd can be written
    uint64_t file_dev = 0;     // st_dev and st_ino of the fd's file, which tell
    uint64_t file_ino = 0;     // whether two fds are the same file
  };

  virtual ~GuestMemory() = default;

  // NotFound unless [gpa, gpa + length) is within one region that has a file.
  virtual absl::StatusOr<Mapping> Translate(uint64_t gpa, uint64_t length) const = 0;

  // Copies the bytes of `range` to `out` as another process sees them. Writes
  // of the guest to private memory are therefore not visible.
  virtual absl::Status Read(const GuestRange& range, void* out) const = 0;
};

// Receives the registered records: a client of pvschedd. The device calls it
// from the thread that calls the device.
class RecordSink {
 public:
  // A record and what was negotiated with it.
  struct Registration {
    GuestRange record;      // PVSCHED_RECORD_SIZE bytes; valid until withdrawn
    uint32_t features = 0;  // PVSCHED_F_*
    // The vCPU's preempt count, a u32, and the bits of it that forbid
    // preemption. Not set without PVSCHED_F_PREEMPT_COUNT.
    GuestRange preempt_count = {};
    uint32_t preempt_count_mask = 0;
  };

  virtual ~RecordSink() = default;

  // Hands over the record of the vCPU with APIC id `vcpu_id`.
  // OK: accepted, now or as soon as pvschedd runs.
  // DeadlineExceeded: pvschedd did not reply. The record is not registered, but
  // pvschedd may use the memory until Withdraw() returns OK.
  // Others: refused. The record is not registered.
  virtual absl::Status Register(uint32_t vcpu_id, const Registration& registration) = 0;

  // OK: the host does not access the record any more, or there was none.
  // DeadlineExceeded: the host may still access it. No other errors.
  virtual absl::Status Withdraw(uint32_t vcpu_id) = 0;
  virtual absl::Status WithdrawAll() = 0;
};

// The name of a PVSCHED_RESULT_* value without its prefix; "?" for others.
const char* ResultName(uint32_t result);

// The device behind BAR0: registers, feature negotiation, and the table of
// registered records. docs/reference/abi.md has the protocol, pvsched_abi.h the
// values.
// Performs no I/O. Trusts no value that the guest writes. Not thread-safe.
class Device {
 public:
  struct Options {
    // PVSCHED_REG_MAX_VCPUS: APIC ids are below this.
    uint32_t max_vcpus = 1024;
    // PVSCHED_REG_DEVICE_FEATURES: PVSCHED_F_* that the driver may accept.
    uint64_t features =
        PVSCHED_F_GRANT | PVSCHED_F_PREEMPT_COUNT | PVSCHED_F_IRQ_TICKET | PVSCHED_F_RAN_URGENT;
  };

  // Failed accesses since the device was made. A reset does not clear them.
  struct Counters {
    // Requests by their PVSCHED_RESULT_*; OK is not counted.
    std::array<uint64_t, PVSCHED_RESULT_HOST_TIMEOUT + 1> results{};
    // Writes to no register, to a read-only register, or of a wrong width.
    uint64_t bad_accesses = 0;
  };

  // What the guest has set: enough for another process to continue.
  struct State {
    struct Record {
      uint32_t vcpu_id = 0;
      uint64_t gpa = 0;
      uint64_t nonce = 0;
    };
    uint64_t driver_features = 0;
    uint32_t driver_version = 0;
    uint32_t status = 0;
    uint32_t vcpu_select = 0;
    uint32_t result = 0;
    uint64_t nonce = 0;
    std::vector<Record> records;
  };

  // `memory` and `sink` are borrowed and must outlive the device.
  Device(const Options& options, const GuestMemory* memory, RecordSink* sink);

  // Accesses `width` bytes at `offset` of BAR0, as a little-endian integer.
  // `width` is 1, 2, 4 or 8, and `offset` a multiple of it. Other reads return
  // 0, other writes have no effect.
  uint64_t ReadBar0(uint64_t offset, size_t width) const;
  void WriteBar0(uint64_t offset, size_t width, uint64_t value);

  // Returns to the power-on state and withdraws all records. False if the host
  // may still access them.
  bool Reset();

  // Call before memory is removed from the guest. Withdraws the records in
  // [gpa, gpa + size) from the host, but keeps them in the table: VMMs also
  // remove memory to add it again at once.
  void OnMemoryRemoving(uint64_t gpa, uint64_t size);

  // Call after memory was added. Registers the kept records again that are
  // mapped and unchanged.
  void OnMemoryAdded();

  State Save() const;
  // For a device at power-on. The records wait for OnMemoryAdded(), which hands
  // them to the sink. InvalidArgument: no device has this state.
  absl::Status Restore(const State& state);

  const Counters& counters() const { return counters_; }

 private:
  struct Record {
    uint64_t gpa;
    GuestMemory::Mapping mapping;
    uint64_t nonce;
    uint64_t preempt_count_gpa;  // 0: none
    bool is_attached;            // the host has it; false while its memory is removed
  };

  absl::Status CheckState(const State& state) const;
  uint32_t Read32(uint64_t offset) const;
  uint64_t Read64(uint64_t offset) const;
  void Write32(uint64_t offset, uint32_t value);
  void Write64(uint64_t offset, uint64_t value);

  pvsched_result WriteStatus(uint32_t value);
  pvsched_result CheckRequest() const;
  pvsched_result Register(uint64_t gpa);
  pvsched_result Withdraw();
  absl::Status Reattach(uint32_t vcpu_id, Record& record);
  absl::StatusOr<RecordSink::Registration> MakeRegistration(const GuestMemory::Mapping& mapping,
                                                            const pvsched_record& header) const;
  bool IsVersionSupported() const;
  void CountResult(pvsched_result result);
  uint32_t CountAttached() const;

  const Options options_;
  const GuestMemory* const memory_;
  RecordSink* const sink_;

  uint64_t driver_features_ = 0;
  uint32_t driver_version_ = 0;
  uint32_t status_ = 0;
  uint32_t vcpu_select_ = 0;
  pvsched_result result_ = PVSCHED_RESULT_OK;
  uint64_t nonce_ = 0;
  std::map<uint32_t, Record> records_;  // by APIC id
  Counters counters_;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DEVICE_H_
