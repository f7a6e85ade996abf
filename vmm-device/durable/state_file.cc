// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/durable/state_file.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/log/log.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/errno_status.h"
#include "common/fd_passing.h"
#include "vmm-device/durable/hand_over.h"

namespace pvsched {
namespace {

// Only whole stores count: a process ends between two instructions, and the next
// one reads later. Release keeps the compiler from moving the data behind it.
void StoreWord(uint64_t& word, uint64_t value) { __atomic_store_n(&word, value, __ATOMIC_RELEASE); }

absl::Status SendToSupervisor(int socket, HandOver message, absl::Span<const int> fds) {
  const auto sent = SendWithFds(socket, &message, sizeof(message), fds);
  if (sent.ok() && sent->has_value()) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("the supervisor takes no message: ",
                   sent.ok() ? "its queue is full" : sent.status().message()));
}

absl::Status CheckProgress(const Progress& progress) {
  const bool is_phase = progress.phase <= Phase::kSplice;
  if (is_phase && progress.position <= vfio_user::kMaxMessageSize &&
      progress.peeked <= progress.position && progress.num_fds <= vfio_user::kMaxMessageFds) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("the saved progress is impossible");
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateFile>> StateFile::Open(int image_fd, int supervisor,
                                                           Device* device, PciConfig* config,
                                                           MemoryMap* memory) {
  struct stat st;
  if (fstat(image_fd, &st) != 0) return ErrnoStatus(errno, "fstat of the saved state");
  if (static_cast<uint64_t>(st.st_size) != sizeof(StateImage)) {
    return absl::InvalidArgumentError("the saved state has another size");
  }
  void* image = mmap(nullptr, sizeof(StateImage), PROT_READ | PROT_WRITE, MAP_SHARED, image_fd, 0);
  if (image == MAP_FAILED) return ErrnoStatus(errno, "mmap of the saved state");
  return absl::WrapUnique(
      new StateFile(static_cast<StateImage*>(image), supervisor, device, config, memory));
}

StateFile::~StateFile() {
  memory_->SetObserver(nullptr);
  munmap(image_, sizeof(StateImage));
}

absl::Status StateFile::Restore(Files files) {
  if (image_->magic == 0) {
    Start();
    return absl::OkStatus();
  }
  if (image_->magic != StateImage::kMagic || image_->version != StateImage::kVersion) {
    return absl::InvalidArgumentError("the saved state is of another version");
  }
  progress_ = Progress::Unpack(image_->progress);
  RETURN_IF_ERROR(CheckProgress(progress_));
  const auto saved = std::make_unique<SavedState>(image_->states[progress_.active]);
  is_negotiated_ = saved->is_negotiated != 0;
  reply_size_ = saved->reply_size;
  if (reply_size_ > vfio_user::kMaxMessageSize) {
    return absl::InvalidArgumentError("the saved reply is too long");
  }
  for (auto& [file, fd] : files) {
    RETURN_IF_ERROR(memory_->RestoreFile(file, std::move(fd)));
  }
  RETURN_IF_ERROR(RestoreRegions(*saved));
  RETURN_IF_ERROR(RestoreGuest(*saved));
  memory_->SetObserver(this);
  memory_->RemoveUnusedFiles();
  DropUnusedFiles();
  return absl::OkStatus();
}

void StateFile::Start() {
  memory_->SetObserver(this);
  WriteState(image_->states[0]);
  image_->version = StateImage::kVersion;
  StoreWord(image_->progress, Progress{}.Pack());
  __atomic_store_n(&image_->magic, StateImage::kMagic, __ATOMIC_RELEASE);
}

absl::Status StateFile::RestoreGuest(const SavedState& saved) {
  if (saved.num_records > kMaxSavedRecords) {
    return absl::InvalidArgumentError("the saved state has too many records");
  }
  Device::State state{.driver_features = saved.driver_features,
                      .driver_version = saved.driver_version,
                      .status = saved.status,
                      .vcpu_select = saved.vcpu_select,
                      .result = saved.result,
                      .nonce = saved.nonce,
                      .records = {}};
  for (uint32_t i = 0; i < saved.num_records; ++i) {
    const SavedRecord& record = saved.records[i];
    state.records.push_back({.vcpu_id = record.vcpu_id, .gpa = record.gpa, .nonce = record.nonce});
  }
  PciConfig::Bytes config;
  std::copy(std::begin(saved.config), std::end(saved.config), config.begin());
  config_->Restore(config);
  return device_->Restore(state);
}

absl::Status StateFile::RestoreRegions(const SavedState& saved) {
  if (saved.num_regions > MemoryMap::kMaxRegions) {
    return absl::InvalidArgumentError("the saved state has too many regions");
  }
  num_regions_ = saved.num_regions;
  changed_region_ = saved.changed_region;
  is_region_added_ = saved.is_region_added != 0;
  if (changed_region_ < num_regions_) ApplyRegionChange();
  changed_region_ = kNoRegion;
  for (uint32_t i = 0; i < num_regions_; ++i) {
    const SavedRegion region = image_->regions[i];
    if (region.is_valid == 0) {
      free_regions_.push_back(i);
      continue;
    }
    RETURN_IF_ERROR(memory_->RestoreRegion(
        {.gpa = region.gpa,
         .size = region.size,
         .offset = region.offset,
         .access = {.read = region.can_read != 0, .write = region.can_write != 0},
         .file = region.file}));
    region_of_gpa_[region.gpa] = i;
  }
  return absl::OkStatus();
}

uint32_t StateFile::CountAttempt() { return ++image_->attempts; }

void StateFile::Store(const Progress& progress) {
  progress_ = progress;
  StoreWord(image_->progress, progress.Pack());
}

void StateFile::Commit(uint32_t reply_size, bool is_negotiated) {
  is_negotiated_ = is_negotiated;
  reply_size_ = reply_size;
  const uint32_t next = progress_.active ^ 1;
  WriteState(image_->states[next]);
  const bool has_request_file = progress_.num_fds == 1;
  Store({.active = next, .phase = reply_size > 0 ? Phase::kWrite : Phase::kReceive});
  image_->attempts = 0;
  ApplyRegionChange();
  changed_region_ = kNoRegion;
  if (has_request_file) Drop(kRequestFile);
  DropUnusedFiles();
}

void StateFile::WriteState(SavedState& saved) const {
  const Device::State state = device_->Save();
  saved.driver_features = state.driver_features;
  saved.nonce = state.nonce;
  saved.driver_version = state.driver_version;
  saved.status = state.status;
  saved.vcpu_select = state.vcpu_select;
  saved.result = state.result;
  saved.is_negotiated = is_negotiated_;
  saved.num_records = 0;
  for (const Device::State::Record& record : state.records) {
    saved.records[saved.num_records++] = {
        .gpa = record.gpa, .nonce = record.nonce, .vcpu_id = record.vcpu_id, .reserved = 0};
  }
  saved.num_regions = num_regions_;
  saved.changed_region = changed_region_;
  saved.is_region_added = is_region_added_;
  saved.reply_size = reply_size_;
  std::copy(config_->bytes().begin(), config_->bytes().end(), saved.config);
}

// After a commit. A process that ends before it leaves this to the next one.
void StateFile::ApplyRegionChange() {
  if (changed_region_ < MemoryMap::kMaxRegions) {
    image_->regions[changed_region_].is_valid = is_region_added_;
  }
}

// The entry is not valid before the commit, so it can be written now.
void StateFile::OnRegionAdded(const MemoryMap::Region& region) {
  if (free_regions_.empty()) {
    changed_region_ = num_regions_++;
  } else {
    changed_region_ = free_regions_.back();
    free_regions_.pop_back();
  }
  is_region_added_ = true;
  region_of_gpa_[region.gpa] = changed_region_;
  image_->regions[changed_region_] = {.gpa = region.gpa,
                                      .size = region.size,
                                      .offset = region.offset,
                                      .file = region.file,
                                      .can_read = region.access.read,
                                      .can_write = region.access.write,
                                      .is_valid = 0,
                                      .reserved = 0};
}

void StateFile::OnRegionRemoved(uint64_t gpa) {
  const auto it = region_of_gpa_.find(gpa);
  if (it == region_of_gpa_.end()) return;
  changed_region_ = it->second;
  is_region_added_ = false;
  free_regions_.push_back(it->second);
  region_of_gpa_.erase(it);
}

void StateFile::OnAllRemoved() {
  num_regions_ = 0;
  changed_region_ = kNoRegion;
  region_of_gpa_.clear();
  free_regions_.clear();
}

absl::Status StateFile::Hold(uint32_t file, int fd) {
  return SendToSupervisor(supervisor_, {.type = HandOverType::kHold, .file = file}, {fd});
}

void StateFile::Drop(uint32_t file) {
  const absl::Status sent =
      SendToSupervisor(supervisor_, {.type = HandOverType::kDrop, .file = file}, {});
  // The file stays open a little longer: the next process drops it.
  LOG_IF(WARNING, !sent.ok()) << "a file of the guest's memory stays open: " << sent.message();
}

void StateFile::DropUnusedFiles() {
  for (const uint32_t file : std::exchange(unused_files_, {})) Drop(file);
}

absl::Status StateFile::SendReady() {
  return SendToSupervisor(supervisor_, {.type = HandOverType::kReady, .file = 0}, {});
}

}  // namespace pvsched
