// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_VMM_DEVICE_DEVICE_H_
#define PVSCHED_VMM_DEVICE_DEVICE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pvsched_abi.h"

namespace pvsched {

// What the device needs of the guest's memory.
class GuestMemory {
 public:
  // Where a range of guest-physical addresses lies.
  struct Location {
    int fd = -1;            // borrowed: valid until the memory is removed
    uint64_t offset = 0;    // bytes into fd
    bool writable = false;  // through fd, by a shared mapping
    uint64_t file_dev = 0;  // which file fd is: two fds can be the same file
    uint64_t file_ino = 0;
  };

  virtual ~GuestMemory() = default;

  // NotFound if [gpa, gpa + size) is not wholly in one region with a file.
  virtual absl::StatusOr<Location> Translate(uint64_t gpa, uint64_t size) const = 0;

  // Reads `size` bytes as any other process sees them: what the guest wrote to
  // memory that is not shared is not there.
  virtual absl::Status Read(const Location& location, void* out, size_t size) const = 0;
};

// Who makes use of the records: the host's daemon, or none.
class RecordSink {
 public:
  // What comes with a record, by what was negotiated.
  struct Extras {
    uint32_t features = 0;  // PVSCHED_F_*
    // Where the guest counts the vCPU's reasons not to preempt it, and which
    // bits of the count mean one; fd -1: not given.
    int preempt_fd = -1;
    uint64_t preempt_offset = 0;
    uint32_t preempt_mask = 0;
  };

  virtual ~RecordSink() = default;

  // OK: taken, now or as soon as there is a daemon. DeadlineExceeded: the
  // daemon did not answer. Any other error: refused. An error leaves nothing
  // registered, but after DeadlineExceeded the daemon may use the memory until
  // Withdraw() has returned OK.
  virtual absl::Status Register(uint32_t vcpu, int fd, uint64_t offset, const Extras& extras) = 0;

  // OK: the host touches the record no more; also if there is none.
  // DeadlineExceeded: it may. No other errors.
  virtual absl::Status Withdraw(uint32_t vcpu) = 0;
  virtual absl::Status WithdrawAll() = 0;
};

// The pvsched device behind BAR0: registers, negotiation and the table of
// records, as pvsched_abi.h and docs/abi.md have it. Does no I/O of its own.
// Whatever is written is the guest's and never trusted. Not thread-safe.
class Device {
 public:
  struct Options {
    uint32_t max_vcpus = 1024;
    // On offer.
    uint64_t features = PVSCHED_F_GRANT | PVSCHED_F_PREEMPT_COUNT | PVSCHED_F_IRQ_TICKET;
  };

  // Requests that came to nothing, since the device was made.
  struct Counters {
    std::array<uint64_t, PVSCHED_RESULT_HOST_TIMEOUT + 1> results{};  // by PVSCHED_RESULT_*
    uint64_t bad_accesses = 0;  // writes of no register, wrong width, read-only
  };

  // Both must outlive the device.
  Device(const Options& options, const GuestMemory* memory, RecordSink* sink);

  // `width` is 1, 2, 4 or 8 and `offset` a multiple of it; anything else reads
  // as zero and writes nothing.
  uint64_t ReadBar0(uint64_t offset, size_t width) const;
  void WriteBar0(uint64_t offset, size_t width, uint64_t value);

  // As after power-on: every record is withdrawn. False if the host may still
  // touch them.
  bool Reset();

  // To be called before memory goes: the records in it are taken from the host,
  // but remembered, since VMMs also remove memory to add it again at once.
  void MemoryGoing(uint64_t gpa, uint64_t size);

  // To be called after memory came: gives the host the records that are in
  // reach again and unchanged.
  void MemoryCame();

  const Counters& counters() const { return counters_; }

 private:
  struct Record {
    uint64_t gpa;
    GuestMemory::Location location;
    uint64_t nonce;
    uint64_t preempt_gpa;  // 0: not given
    bool attached;         // false while its memory is gone
  };

  uint32_t Read32(uint64_t offset) const;
  uint64_t Read64(uint64_t offset) const;
  void Write32(uint64_t offset, uint32_t value);
  void Write64(uint64_t offset, uint64_t value);

  pvsched_result WriteStatus(uint32_t value);
  pvsched_result JudgeRequest() const;
  pvsched_result Register(uint64_t gpa);
  pvsched_result Withdraw();
  absl::Status Reattach(uint32_t vcpu, Record& record);
  absl::StatusOr<RecordSink::Extras> Extras(const pvsched_record& header) const;
  bool VersionMatches() const;
  void Account(pvsched_result result);
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
  std::map<uint32_t, Record> records_;  // by vCPU
  Counters counters_;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DEVICE_H_
