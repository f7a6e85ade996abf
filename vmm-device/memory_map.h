// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_VMM_DEVICE_MEMORY_MAP_H_
#define PVSCHED_VMM_DEVICE_MEMORY_MAP_H_

#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "vmm-device/device.h"

namespace pvsched {

// The guest's memory as its VMM describes it: regions of guest-physical
// addresses, each a piece of a file. Nothing is ever mapped, only read with
// pread(): a VMM that truncates its file can't kill us with SIGBUS, and huge
// pages need no care. Not thread-safe.
class MemoryMap : public GuestMemory {
 public:
  static constexpr size_t kMaxRegions = 512;  // each can hold a descriptor
  static constexpr uint64_t kMaxRegionSize = uint64_t{8} << 40;
  static constexpr uint64_t kPageSize = 4096;

  struct Access {
    bool read = false;
    bool write = false;
  };

  // Adds [gpa, gpa + size), which lies at `offset` of `fd`. Without an fd (ROM,
  // other devices) the region is known but not reachable.
  //
  // InvalidArgument: size 0 or too large, not page-aligned, wraps around, or
  // the fd is no regular file, not readable or too short for it.
  // AlreadyExists: overlaps a region. ResourceExhausted: too many regions.
  absl::Status Add(uint64_t gpa, uint64_t size, uint64_t offset, Access access, UniqueFd fd);

  // NotFound unless there is a region of just this address and size.
  absl::Status Remove(uint64_t gpa, uint64_t size);
  void RemoveAll() { regions_.clear(); }

  bool Contains(uint64_t gpa, uint64_t size) const;
  size_t size() const { return regions_.size(); }

  absl::StatusOr<Location> Translate(uint64_t gpa, uint64_t size) const override;
  absl::Status Read(const Location& location, void* out, size_t size) const override;

 private:
  struct Region {
    uint64_t size;
    Location start;
    UniqueFd fd;  // none: not reachable
  };

  std::map<uint64_t, Region> regions_;  // by gpa, disjoint
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_MEMORY_MAP_H_
