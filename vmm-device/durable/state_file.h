// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DURABLE_STATE_FILE_H_
#define PVSCHED_VMM_DEVICE_DURABLE_STATE_FILE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "vmm-device/device.h"
#include "vmm-device/durable/state_image.h"
#include "vmm-device/memory_map.h"
#include "vmm-device/pci_config.h"

namespace pvsched {

// Keeps a device's state in a StateImage, and its files with the supervisor.
// Not thread-safe.
class StateFile : public MemoryMap::Observer {
 public:
  using Files = std::map<uint32_t, UniqueFd>;  // by number, as in hand_over.h

  // Maps the image. `supervisor` gets the messages of hand_over.h. The objects
  // are borrowed; they are at power-on. InvalidArgument: not an image, or of
  // another version.
  static absl::StatusOr<std::unique_ptr<StateFile>> Open(int image_fd, int supervisor,
                                                         Device* device, PciConfig* config,
                                                         MemoryMap* memory);
  ~StateFile() override;
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  // Fills the objects from the image, with the files that the supervisor held,
  // and observes the memory map from then on. Starts a fresh image.
  absl::Status Restore(Files files);

  bool is_negotiated() const { return is_negotiated_; }
  const Progress& progress() const { return progress_; }
  uint32_t reply_size() const { return reply_size_; }
  uint8_t* request() { return image_->request; }
  uint8_t* reply() { return image_->reply; }

  // The number of processes that began to handle the present request again.
  uint32_t CountAttempt();

  // Makes one step of the protocol durable.
  void Store(const Progress& progress);

  // Makes the objects' state durable, and with it the reply in reply(). The
  // request is thereby handled, and its descriptor released.
  void Commit(uint32_t reply_size, bool is_negotiated);

  // Gives a descriptor to the supervisor. Aborted: it is not there any more.
  absl::Status Hold(uint32_t file, int fd);
  void Drop(uint32_t file);
  absl::Status SendReady();

  absl::Status OnFileAdded(uint32_t file, int fd) override { return Hold(file, fd); }
  void OnFileRemoved(uint32_t file) override { unused_files_.push_back(file); }
  void OnRegionAdded(const MemoryMap::Region& region) override;
  void OnRegionRemoved(uint64_t gpa) override;
  void OnAllRemoved() override;

 private:
  StateFile(StateImage* image, int supervisor, Device* device, PciConfig* config, MemoryMap* memory)
      : image_(image), supervisor_(supervisor), device_(device), config_(config), memory_(memory) {}

  void Start();
  absl::Status RestoreGuest(const SavedState& saved);
  absl::Status RestoreRegions(const SavedState& saved);
  void WriteState(SavedState& saved) const;
  void ApplyRegionChange();
  void DropUnusedFiles();

  StateImage* const image_;  // written only, after Restore()
  const int supervisor_;
  Device* const device_;
  PciConfig* const config_;
  MemoryMap* const memory_;

  Progress progress_;
  bool is_negotiated_ = false;
  uint32_t reply_size_ = 0;
  uint32_t num_regions_ = 0;
  uint32_t changed_region_ = kNoRegion;
  bool is_region_added_ = false;
  std::unordered_map<uint64_t, uint32_t> region_of_gpa_;  // index into the image
  std::vector<uint32_t> free_regions_;                    // below num_regions_
  // Released after the commit: the state before it still needs them.
  std::vector<uint32_t> unused_files_;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DURABLE_STATE_FILE_H_
