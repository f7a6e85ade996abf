// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_MEMORY_MAP_H_
#define PVSCHED_VMM_DEVICE_MEMORY_MAP_H_

#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/guest_range.h"
#include "common/unique_fd.h"
#include "vmm-device/device.h"

namespace pvsched {

// The guest's memory as its VMM describes it: regions of guest-physical
// addresses, each backed by a range of a file. Files are read with pread() and
// never mapped. So a VMM that truncates its file raises no SIGBUS here, and
// huge pages need no care. Not thread-safe.
class MemoryMap : public GuestMemory {
 public:
  // Each region may hold a file descriptor: half of the usual soft limit
  // RLIMIT_NOFILE of 1024.
  static constexpr size_t kMaxRegions = 512;
  // libvfio-user's limit for one DMA region, MAX_DMA_SIZE.
  static constexpr uint64_t kMaxRegionSize = uint64_t{8} << 40;
  // x86's page size: the granularity of regions and file offsets.
  static constexpr uint64_t kPageSize = 4096;

  // What the device may do with a region.
  struct Access {
    bool read = false;
    bool write = false;
  };

  // Adds the region [gpa, gpa + size), backed by `fd` from `offset` on. Without
  // an fd (ROM, other devices' BARs), or without read access, the region
  // reserves its addresses but does not translate. Closes `fd` on failure.
  //
  // InvalidArgument: `size` is 0 or above kMaxRegionSize; an address, size or
  // offset is not a multiple of kPageSize or overflows; `fd` is not a regular
  // file or memfd, is not readable, or ends before the region does.
  // AlreadyExists: a region overlaps. ResourceExhausted: kMaxRegions are there.
  absl::Status Add(uint64_t gpa, uint64_t size, uint64_t offset, Access access, UniqueFd fd);

  // Removes the region that has this address and size; NotFound without one.
  absl::Status Remove(uint64_t gpa, uint64_t size);
  void RemoveAll() { regions_.clear(); }

  // Whether a region has this address and size.
  bool Contains(uint64_t gpa, uint64_t size) const;
  // The number of regions.
  size_t size() const { return regions_.size(); }

  absl::StatusOr<Mapping> Translate(uint64_t gpa, uint64_t length) const override;
  // OutOfRange: the file was truncated. Others: from pread().
  absl::Status Read(const GuestRange& range, void* out) const override;

 private:
  struct Region {
    Mapping mapping;
    UniqueFd fd;  // none: the region does not translate
  };

  std::map<uint64_t, Region> regions_;  // by gpa; disjoint
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_MEMORY_MAP_H_
