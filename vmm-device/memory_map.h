// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_MEMORY_MAP_H_
#define PVSCHED_VMM_DEVICE_MEMORY_MAP_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

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
  // The vfio-user protocol's default for max_dma_maps. virtio-mem needs many.
  static constexpr size_t kMaxRegions = 65535;
  // Descriptors that the regions hold together. Regions of one file share one.
  static constexpr uint32_t kMaxFiles = 512;
  // libvfio-user's limit for one DMA region, MAX_DMA_SIZE.
  static constexpr uint64_t kMaxRegionSize = uint64_t{8} << 40;
  // x86's page size: the granularity of regions and file offsets.
  static constexpr uint64_t kPageSize = 4096;

  // What the device may do with a region.
  struct Access {
    bool read = false;
    bool write = false;
  };

  // A region as it was added. kNoFile: it reserves its addresses only.
  static constexpr uint32_t kNoFile = UINT32_MAX;
  struct Region {
    uint64_t gpa = 0;
    uint64_t size = 0;
    uint64_t offset = 0;  // in the file
    Access access = {};
    uint32_t file = kNoFile;  // below kMaxFiles
  };

  // Learns of changes, so that another process can continue with the same map.
  class Observer {
   public:
    virtual ~Observer() = default;
    // The descriptor backs regions as `file` from now on. An error refuses the region.
    virtual absl::Status OnFileAdded(uint32_t file, int fd) = 0;
    // No region uses the file any more.
    virtual void OnFileRemoved(uint32_t file) = 0;
    virtual void OnRegionAdded(const Region& region) = 0;
    virtual void OnRegionRemoved(uint64_t gpa) = 0;
    virtual void OnAllRemoved() = 0;
  };

  MemoryMap() = default;
  MemoryMap(const MemoryMap&) = delete;
  MemoryMap& operator=(const MemoryMap&) = delete;

  // `observer` is borrowed; null: none.
  void SetObserver(Observer* observer) { observer_ = observer; }

  // Adds the region [gpa, gpa + size), backed by `fd` from `offset` on. Without
  // an fd (ROM, other devices' BARs), or without read access, the region
  // reserves its addresses but does not translate. Closes `fd` on failure, and
  // if another region has the same file.
  //
  // InvalidArgument: `size` is 0 or above kMaxRegionSize; an address, size or
  // offset is not a multiple of kPageSize or overflows; `fd` is not a regular
  // file or memfd, is not readable, or ends before the region does.
  // AlreadyExists: a region overlaps. ResourceExhausted: kMaxRegions or
  // kMaxFiles are there.
  absl::Status Add(uint64_t gpa, uint64_t size, uint64_t offset, Access access, UniqueFd fd);

  // Builds a map that an observer saw: first its files, then its regions. Then
  // closes the files that no region uses. The same errors as Add().
  absl::Status RestoreFile(uint32_t file, UniqueFd fd);
  absl::Status RestoreRegion(const Region& region);
  void RemoveUnusedFiles();

  // Removes the region that has this address and size; NotFound without one.
  absl::Status Remove(uint64_t gpa, uint64_t size);
  void RemoveAll();

  // Whether a region has this address and size.
  bool Contains(uint64_t gpa, uint64_t size) const;
  // The number of regions.
  size_t size() const { return regions_.size(); }

  absl::StatusOr<Mapping> Translate(uint64_t gpa, uint64_t length) const override;
  // OutOfRange: the file was truncated. Others: from pread().
  absl::Status Read(const GuestRange& range, void* out) const override;

 private:
  // Regions share the descriptor of a file that was opened for the same access.
  struct File {
    UniqueFd fd;
    uint64_t dev = 0;
    uint64_t ino = 0;
    int access_mode = 0;   // O_ACCMODE
    uint32_t regions = 0;  // that use it
  };
  struct Backing {
    uint64_t size = 0;
    uint64_t offset = 0;
    uint32_t file = kNoFile;
    bool is_writable = false;
  };

  absl::Status CheckPlace(uint64_t gpa, uint64_t size) const;
  absl::StatusOr<uint32_t> FindOrAddFile(File file);
  void AddBacking(const Region& region, bool is_writable);
  void Release(uint32_t file);

  Observer* observer_ = nullptr;
  std::vector<File> files_;              // by number; no fd: free
  std::map<uint64_t, Backing> regions_;  // by gpa; disjoint
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_MEMORY_MAP_H_
