// SPDX-License-Identifier: Apache-2.0
#include "vmm-device/device.h"

#include <array>
#include <cstddef>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"

namespace pvsched {
namespace {

constexpr uint32_t kKnownStatus = PVSCHED_STATUS_ACKNOWLEDGE | PVSCHED_STATUS_DRIVER |
                                  PVSCHED_STATUS_DRIVER_OK | PVSCHED_STATUS_FEATURES_OK |
                                  PVSCHED_STATUS_FAILED;

constexpr std::array<const char*, PVSCHED_RESULT_HOST_TIMEOUT + 1> kResultNames = {
    "OK",        "NOT_READY", "BAD_VCPU",   "ALREADY", "UNALIGNED",   "NOT_MAPPED",
    "READ_ONLY", "IN_USE",    "BAD_RECORD", "REFUSED", "HOST_TIMEOUT"};

// The part of a record that is judged: line 0.
constexpr size_t kHeaderSize = offsetof(pvsched_record, intent);

// Reads the header once; what is judged is that copy: the guest may be writing.
absl::StatusOr<pvsched_record> ReadHeader(const GuestMemory& memory,
                                          const GuestMemory::Location& location) {
  pvsched_record record{};
  if (absl::Status status = memory.Read(location, &record, kHeaderSize); !status.ok()) {
    return status;
  }
  return record;
}

bool IsRecordOf(const pvsched_record& header, uint32_t vcpu) {
  return header.magic == PVSCHED_MAGIC && header.version == PVSCHED_VERSION_MAJOR &&
         header.size == PVSCHED_RECORD_SIZE && header.vcpu_id == vcpu;
}

bool IsIn(uint64_t gpa, uint64_t start, uint64_t size) {
  return gpa >= start && gpa - start < size;
}

bool SamePlace(const GuestMemory::Location& a, const GuestMemory::Location& b) {
  return a.file_dev == b.file_dev && a.file_ino == b.file_ino && a.offset == b.offset;
}

}  // namespace

Device::Device(const Options& options, const GuestMemory* memory, RecordSink* sink)
    : options_(options), memory_(memory), sink_(sink) {}

uint64_t Device::ReadBar0(uint64_t offset, size_t width) const {
  const bool is_width = width == 1 || width == 2 || width == 4 || width == 8;
  if (!is_width || offset % width != 0 || offset >= PVSCHED_BAR0_SIZE) return 0;
  const uint64_t qword = Read64(offset & ~uint64_t{7});
  const uint64_t value = qword >> (offset % 8 * 8);
  return width == 8 ? value : value & ((uint64_t{1} << (width * 8)) - 1);
}

uint64_t Device::Read64(uint64_t offset) const {
  switch (offset) {
    case PVSCHED_REG_DEVICE_FEATURES:
      return options_.features;
    case PVSCHED_REG_DRIVER_FEATURES:
      return driver_features_;
    case PVSCHED_REG_RECORD_ADDR: {
      const auto it = records_.find(vcpu_select_);
      return it == records_.end() ? 0 : it->second.gpa;
    }
    case PVSCHED_REG_NONCE:
      return nonce_;
    default:
      return Read32(offset) | uint64_t{Read32(offset + 4)} << 32;
  }
}

uint32_t Device::Read32(uint64_t offset) const {
  switch (offset) {
    case PVSCHED_REG_MAGIC:
      return PVSCHED_MAGIC;
    case PVSCHED_REG_VERSION:
      return PVSCHED_VERSION;
    case PVSCHED_REG_DRIVER_VERSION:
      return driver_version_;
    case PVSCHED_REG_STATUS:
      return status_;
    case PVSCHED_REG_MAX_VCPUS:
      return options_.max_vcpus;
    case PVSCHED_REG_RECORD_SIZE:
      return PVSCHED_RECORD_SIZE;
    case PVSCHED_REG_VCPU_SELECT:
      return vcpu_select_;
    case PVSCHED_REG_RESULT:
      return result_;
    case PVSCHED_REG_REGISTERED:
      return CountAttached();
    default:
      return 0;
  }
}

void Device::WriteBar0(uint64_t offset, size_t width, uint64_t value) {
  if (width == 4) {
    Write32(offset, static_cast<uint32_t>(value));
  } else if (width == 8) {
    Write64(offset, value);
  } else {
    ++counters_.bad_accesses;
  }
}

void Device::Write32(uint64_t offset, uint32_t value) {
  switch (offset) {
    case PVSCHED_REG_DRIVER_VERSION:
      // What FEATURES_OK was judged by stays as it was.
      if (!(status_ & PVSCHED_STATUS_FEATURES_OK)) driver_version_ = value;
      break;
    case PVSCHED_REG_STATUS:
      result_ = WriteStatus(value);
      Account(result_);
      break;
    case PVSCHED_REG_VCPU_SELECT:
      vcpu_select_ = value;
      break;
    default:
      ++counters_.bad_accesses;
  }
}

void Device::Write64(uint64_t offset, uint64_t value) {
  switch (offset) {
    case PVSCHED_REG_DRIVER_FEATURES:
      if (!(status_ & PVSCHED_STATUS_FEATURES_OK)) driver_features_ = value;
      break;
    case PVSCHED_REG_RECORD_ADDR:
      nonce_ = 0;
      result_ = value == 0 ? Withdraw() : Register(value);
      Account(result_);
      break;
    default:
      ++counters_.bad_accesses;
  }
}

bool Device::VersionMatches() const { return driver_version_ >> 16 == PVSCHED_VERSION_MAJOR; }

// Bits are only ever gained, so no record can be held without FEATURES_OK;
// 0 takes all of them away.
pvsched_result Device::WriteStatus(uint32_t value) {
  if (value == 0) {
    Reset();
    return result_;
  }
  uint32_t gained = value & kKnownStatus & ~status_;
  pvsched_result result = PVSCHED_RESULT_OK;
  if (gained & PVSCHED_STATUS_FEATURES_OK) {
    if (!VersionMatches() || (driver_features_ & ~options_.features) != 0) {
      gained &= ~uint32_t{PVSCHED_STATUS_FEATURES_OK};
      result = PVSCHED_RESULT_NOT_READY;
      LOG_EVERY_N_SEC(WARNING, 1) << "driver speaks version " << (driver_version_ >> 16) << "."
                                  << (driver_version_ & 0xffff) << " and wants features 0x"
                                  << absl::Hex(driver_features_) << ", the device speaks "
                                  << PVSCHED_VERSION_MAJOR << "." << PVSCHED_VERSION_MINOR
                                  << " and offers 0x" << absl::Hex(options_.features)
                                  << ": not accepted";
    }
  }
  if ((gained & PVSCHED_STATUS_DRIVER_OK) && !((status_ | gained) & PVSCHED_STATUS_FEATURES_OK)) {
    gained &= ~uint32_t{PVSCHED_STATUS_DRIVER_OK};
    result = PVSCHED_RESULT_NOT_READY;
  }
  status_ |= gained;
  return result;
}

bool Device::Reset() {
  const absl::Status withdrawn = sink_->WithdrawAll();
  records_.clear();
  driver_features_ = 0;
  driver_version_ = 0;
  status_ = 0;
  vcpu_select_ = 0;
  nonce_ = 0;
  result_ = withdrawn.ok() ? PVSCHED_RESULT_OK : PVSCHED_RESULT_HOST_TIMEOUT;
  return withdrawn.ok();
}

// What registration and withdrawal have in common.
pvsched_result Device::JudgeRequest() const {
  if (!(status_ & PVSCHED_STATUS_FEATURES_OK) || (status_ & PVSCHED_STATUS_FAILED)) {
    return PVSCHED_RESULT_NOT_READY;
  }
  if (vcpu_select_ >= options_.max_vcpus) return PVSCHED_RESULT_BAD_VCPU;
  return PVSCHED_RESULT_OK;
}

pvsched_result Device::Register(uint64_t gpa) {
  if (pvsched_result result = JudgeRequest(); result != PVSCHED_RESULT_OK) return result;
  if (records_.contains(vcpu_select_)) return PVSCHED_RESULT_ALREADY;
  if (gpa % PVSCHED_RECORD_SIZE != 0) return PVSCHED_RESULT_UNALIGNED;

  const absl::StatusOr<GuestMemory::Location> location =
      memory_->Translate(gpa, PVSCHED_RECORD_SIZE);
  if (!location.ok()) return PVSCHED_RESULT_NOT_MAPPED;
  if (!location->writable) return PVSCHED_RESULT_READ_ONLY;
  for (const auto& [vcpu, record] : records_) {
    if (record.gpa == gpa || SamePlace(record.location, *location)) return PVSCHED_RESULT_IN_USE;
  }

  const absl::StatusOr<pvsched_record> header = ReadHeader(*memory_, *location);
  if (!header.ok()) return PVSCHED_RESULT_NOT_MAPPED;
  nonce_ = header->nonce;
  if (!IsRecordOf(*header, vcpu_select_)) return PVSCHED_RESULT_BAD_RECORD;
  const absl::StatusOr<RecordSink::Extras> extras = Extras(*header);
  if (!extras.ok()) return PVSCHED_RESULT_BAD_RECORD;

  if (absl::Status status = sink_->Register(vcpu_select_, location->fd, location->offset, *extras);
      !status.ok()) {
    LOG_EVERY_N_SEC(WARNING, 1) << "vCPU " << vcpu_select_
                                << ": the host did not take its record: " << status.message();
    return absl::IsDeadlineExceeded(status) ? PVSCHED_RESULT_HOST_TIMEOUT : PVSCHED_RESULT_REFUSED;
  }
  records_.emplace(vcpu_select_, Record{gpa, *location, nonce_,
                                        extras->preempt_fd >= 0 ? header->preempt_count_addr : 0,
                                        /*attached=*/true});
  return PVSCHED_RESULT_OK;
}

absl::StatusOr<RecordSink::Extras> Device::Extras(const pvsched_record& header) const {
  RecordSink::Extras extras{.features = static_cast<uint32_t>(driver_features_)};
  if ((driver_features_ & PVSCHED_F_PREEMPT_COUNT) == 0 || header.preempt_count_addr == 0) {
    return extras;
  }
  const absl::StatusOr<GuestMemory::Location> location =
      memory_->Translate(header.preempt_count_addr, sizeof(uint32_t));
  if (header.preempt_count_addr % sizeof(uint32_t) != 0 || !location.ok() || !location->writable) {
    return absl::InvalidArgumentError("the preempt count is not in reach");
  }
  extras.preempt_fd = location->fd;
  extras.preempt_offset = location->offset;
  extras.preempt_mask = header.preempt_count_mask;
  return extras;
}

pvsched_result Device::Withdraw() {
  if (pvsched_result result = JudgeRequest(); result != PVSCHED_RESULT_OK) return result;
  records_.erase(vcpu_select_);
  // Asked even if no record is held: an earlier withdrawal may have timed out,
  // and the guest asks again until the host is known to be done.
  return sink_->Withdraw(vcpu_select_).ok() ? PVSCHED_RESULT_OK : PVSCHED_RESULT_HOST_TIMEOUT;
}

void Device::MemoryGoing(uint64_t gpa, uint64_t size) {
  for (auto& [vcpu, record] : records_) {
    // Both are aligned to their size and regions to pages: in or out.
    const bool is_going = IsIn(record.gpa, gpa, size) ||
                          (record.preempt_gpa != 0 && IsIn(record.preempt_gpa, gpa, size));
    if (!record.attached || !is_going) continue;
    record.attached = false;
    if (!sink_->Withdraw(vcpu).ok()) {
      LOG_EVERY_N_SEC(WARNING, 1) << "vCPU " << vcpu
                                  << ": its memory goes while the host may still use its record";
    }
  }
}

void Device::MemoryCame() {
  for (auto& [vcpu, record] : records_) {
    if (record.attached) continue;
    if (absl::Status status = Reattach(vcpu, record); !status.ok()) {
      VLOG(1) << "vCPU " << vcpu << ": its record is not back: " << status;
    }
  }
}

absl::Status Device::Reattach(uint32_t vcpu, Record& record) {
  const absl::StatusOr<GuestMemory::Location> location =
      memory_->Translate(record.gpa, PVSCHED_RECORD_SIZE);
  if (!location.ok()) return location.status();
  if (!location->writable) return absl::PermissionDeniedError("memory is read-only");
  const absl::StatusOr<pvsched_record> header = ReadHeader(*memory_, *location);
  if (!header.ok()) return header.status();
  // Other memory may have come to the same address.
  if (!IsRecordOf(*header, vcpu) || header->nonce != record.nonce) {
    return absl::NotFoundError("another record is there");
  }
  const absl::StatusOr<RecordSink::Extras> extras = Extras(*header);
  if (!extras.ok()) return extras.status();
  if (absl::Status status = sink_->Register(vcpu, location->fd, location->offset, *extras);
      !status.ok()) {
    return status;
  }
  record.location = *location;
  record.preempt_gpa = extras->preempt_fd >= 0 ? header->preempt_count_addr : 0;
  record.attached = true;
  return absl::OkStatus();
}

void Device::Account(pvsched_result result) {
  if (result == PVSCHED_RESULT_OK) return;
  ++counters_.results[result];
  LOG_EVERY_N_SEC(WARNING, 1) << "vCPU " << vcpu_select_ << ": what the guest's driver asks for is "
                              << "answered with " << kResultNames[result];
}

uint32_t Device::CountAttached() const {
  uint32_t count = 0;
  for (const auto& [vcpu, record] : records_) count += record.attached;
  return count;
}

}  // namespace pvsched
