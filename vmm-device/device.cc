// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/device.h"

#include <array>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

namespace pvsched {
namespace {

constexpr uint32_t kKnownStatus = PVSCHED_STATUS_ACKNOWLEDGE | PVSCHED_STATUS_DRIVER |
                                  PVSCHED_STATUS_DRIVER_OK | PVSCHED_STATUS_FEATURES_OK |
                                  PVSCHED_STATUS_FAILED;

constexpr std::array<const char*, PVSCHED_RESULT_HOST_TIMEOUT + 1> kResultNames = {
    "OK",        "NOT_READY", "BAD_VCPU",   "ALREADY", "UNALIGNED",   "NOT_MAPPED",
    "READ_ONLY", "IN_USE",    "BAD_RECORD", "REFUSED", "HOST_TIMEOUT"};

// Line 0 of the record, which the guest fills before it registers.
constexpr size_t kHeaderSize = offsetof(pvsched_record, intent);

// Reads the header once. Checks use the copy, since the guest may write to the
// record at the same time.
absl::StatusOr<pvsched_record> ReadHeader(const GuestMemory& memory, GuestRange range) {
  pvsched_record record{};
  range.length = kHeaderSize;
  RETURN_IF_ERROR(memory.Read(range, &record));
  return record;
}

bool IsRecordOf(const pvsched_record& header, uint32_t vcpu_id) {
  return header.magic == PVSCHED_MAGIC && header.version == PVSCHED_VERSION_MAJOR &&
         header.size == PVSCHED_RECORD_SIZE && header.vcpu_id == vcpu_id;
}

bool IsIn(uint64_t gpa, uint64_t start, uint64_t size) {
  return gpa >= start && gpa - start < size;
}

bool IsSameMemory(const GuestMemory::Mapping& a, const GuestMemory::Mapping& b) {
  return a.file_dev == b.file_dev && a.file_ino == b.file_ino && a.range.offset == b.range.offset;
}

}  // namespace

const char* ResultName(uint32_t result) {
  return result < kResultNames.size() ? kResultNames[result] : "?";
}

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
      // FEATURES_OK was checked against it, so it is frozen from then on.
      if (!(status_ & PVSCHED_STATUS_FEATURES_OK)) driver_version_ = value;
      break;
    case PVSCHED_REG_STATUS:
      result_ = WriteStatus(value);
      CountResult(result_);
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
      CountResult(result_);
      break;
    default:
      ++counters_.bad_accesses;
  }
}

bool Device::IsVersionSupported() const { return driver_version_ >> 16 == PVSCHED_VERSION_MAJOR; }

// Writing can set status bits, and only 0 clears them. So no record is held
// without FEATURES_OK.
pvsched_result Device::WriteStatus(uint32_t value) {
  if (value == 0) {
    Reset();
    return result_;
  }
  uint32_t new_bits = value & kKnownStatus & ~status_;
  pvsched_result result = PVSCHED_RESULT_OK;
  if (new_bits & PVSCHED_STATUS_FEATURES_OK) {
    if (!IsVersionSupported() || (driver_features_ & ~options_.features) != 0) {
      new_bits &= ~uint32_t{PVSCHED_STATUS_FEATURES_OK};
      result = PVSCHED_RESULT_NOT_READY;
      LOG_EVERY_N_SEC(WARNING, 1) << "FEATURES_OK refused: the driver has version "
                                  << (driver_version_ >> 16) << "." << (driver_version_ & 0xffff)
                                  << " and features 0x" << absl::Hex(driver_features_)
                                  << ", the device has version " << PVSCHED_VERSION_MAJOR << "."
                                  << PVSCHED_VERSION_MINOR << " and features 0x"
                                  << absl::Hex(options_.features);
    }
  }
  if ((new_bits & PVSCHED_STATUS_DRIVER_OK) &&
      !((status_ | new_bits) & PVSCHED_STATUS_FEATURES_OK)) {
    new_bits &= ~uint32_t{PVSCHED_STATUS_DRIVER_OK};
    result = PVSCHED_RESULT_NOT_READY;
  }
  status_ |= new_bits;
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

Device::State Device::Save() const {
  State state{.driver_features = driver_features_,
              .driver_version = driver_version_,
              .status = status_,
              .vcpu_select = vcpu_select_,
              .result = result_,
              .nonce = nonce_,
              .records = {}};
  state.records.reserve(records_.size());
  for (const auto& [vcpu_id, record] : records_) {
    state.records.push_back({.vcpu_id = vcpu_id, .gpa = record.gpa, .nonce = record.nonce});
  }
  return state;
}

absl::Status Device::CheckState(const State& state) const {
  const bool has_features = (state.status & PVSCHED_STATUS_FEATURES_OK) != 0;
  const bool is_version_known = state.driver_version >> 16 == PVSCHED_VERSION_MAJOR;
  const bool are_features_known = (state.driver_features & ~options_.features) == 0;
  if ((state.status & ~kKnownStatus) != 0 || state.result >= kResultNames.size() ||
      (has_features && !(is_version_known && are_features_known)) ||
      (!has_features && (state.status & PVSCHED_STATUS_DRIVER_OK) != 0) ||
      (!has_features && !state.records.empty())) {
    return absl::InvalidArgumentError("the registers have an impossible state");
  }
  return absl::OkStatus();
}

absl::Status Device::Restore(const State& state) {
  RETURN_IF_ERROR(CheckState(state));
  std::map<uint32_t, Record> records;
  std::set<uint64_t> gpas;
  for (const State::Record& record : state.records) {
    const bool is_new = records
                            .emplace(record.vcpu_id, Record{.gpa = record.gpa,
                                                            .mapping = {},
                                                            .nonce = record.nonce,
                                                            .preempt_count_gpa = 0,
                                                            .is_attached = false})
                            .second;
    if (!is_new || !gpas.insert(record.gpa).second || record.vcpu_id >= options_.max_vcpus ||
        record.gpa == 0 || record.gpa % PVSCHED_RECORD_SIZE != 0) {
      return absl::InvalidArgumentError("a record has an impossible state");
    }
  }
  driver_features_ = state.driver_features;
  driver_version_ = state.driver_version;
  status_ = state.status;
  vcpu_select_ = state.vcpu_select;
  result_ = static_cast<pvsched_result>(state.result);
  nonce_ = state.nonce;
  records_ = std::move(records);
  return absl::OkStatus();
}

// The checks of registration and withdrawal alike.
pvsched_result Device::CheckRequest() const {
  if (!(status_ & PVSCHED_STATUS_FEATURES_OK) || (status_ & PVSCHED_STATUS_FAILED)) {
    return PVSCHED_RESULT_NOT_READY;
  }
  if (vcpu_select_ >= options_.max_vcpus) return PVSCHED_RESULT_BAD_VCPU;
  return PVSCHED_RESULT_OK;
}

// Checks in the order of enum pvsched_result, which is part of the ABI.
pvsched_result Device::Register(uint64_t gpa) {
  if (pvsched_result result = CheckRequest(); result != PVSCHED_RESULT_OK) return result;
  if (records_.contains(vcpu_select_)) return PVSCHED_RESULT_ALREADY;
  if (gpa % PVSCHED_RECORD_SIZE != 0) return PVSCHED_RESULT_UNALIGNED;

  const absl::StatusOr<GuestMemory::Mapping> mapping = memory_->Translate(gpa, PVSCHED_RECORD_SIZE);
  if (!mapping.ok()) return PVSCHED_RESULT_NOT_MAPPED;
  if (!mapping->is_writable) return PVSCHED_RESULT_READ_ONLY;
  for (const auto& [vcpu_id, record] : records_) {
    if (record.gpa == gpa || IsSameMemory(record.mapping, *mapping)) return PVSCHED_RESULT_IN_USE;
  }

  const absl::StatusOr<pvsched_record> header = ReadHeader(*memory_, mapping->range);
  if (!header.ok()) return PVSCHED_RESULT_NOT_MAPPED;
  nonce_ = header->nonce;
  if (!IsRecordOf(*header, vcpu_select_)) return PVSCHED_RESULT_BAD_RECORD;
  const absl::StatusOr<RecordSink::Registration> registration = MakeRegistration(*mapping, *header);
  if (!registration.ok()) return PVSCHED_RESULT_BAD_RECORD;

  if (absl::Status status = sink_->Register(vcpu_select_, *registration); !status.ok()) {
    LOG_EVERY_N_SEC(WARNING, 1) << "vCPU " << vcpu_select_
                                << ": the host refused its record: " << status.message();
    return absl::IsDeadlineExceeded(status) ? PVSCHED_RESULT_HOST_TIMEOUT : PVSCHED_RESULT_REFUSED;
  }
  records_.emplace(vcpu_select_,
                   Record{gpa, *mapping, nonce_,
                          registration->preempt_count.is_set() ? header->preempt_count_addr : 0,
                          /*is_attached=*/true});
  return PVSCHED_RESULT_OK;
}

absl::StatusOr<RecordSink::Registration> Device::MakeRegistration(
    const GuestMemory::Mapping& mapping, const pvsched_record& header) const {
  RecordSink::Registration registration{.record = mapping.range,
                                        .features = static_cast<uint32_t>(driver_features_)};
  if ((driver_features_ & PVSCHED_F_PREEMPT_COUNT) == 0 || header.preempt_count_addr == 0) {
    return registration;
  }
  const absl::StatusOr<GuestMemory::Mapping> preempt_count =
      memory_->Translate(header.preempt_count_addr, sizeof(uint32_t));
  if (header.preempt_count_addr % sizeof(uint32_t) != 0 || !preempt_count.ok() ||
      !preempt_count->is_writable) {
    return absl::InvalidArgumentError("preempt_count_addr is unaligned or not mapped writable");
  }
  registration.preempt_count = preempt_count->range;
  registration.preempt_count_mask = header.preempt_count_mask;
  return registration;
}

pvsched_result Device::Withdraw() {
  if (pvsched_result result = CheckRequest(); result != PVSCHED_RESULT_OK) return result;
  records_.erase(vcpu_select_);
  // The sink is called without a record too: an earlier withdrawal may have
  // timed out, and the guest repeats it until the host has confirmed it.
  return sink_->Withdraw(vcpu_select_).ok() ? PVSCHED_RESULT_OK : PVSCHED_RESULT_HOST_TIMEOUT;
}

void Device::OnMemoryRemoving(uint64_t gpa, uint64_t size) {
  for (auto& [vcpu_id, record] : records_) {
    // Records and counts are aligned to their sizes, regions to pages: each is
    // wholly in the range or wholly outside.
    const bool is_removed =
        IsIn(record.gpa, gpa, size) ||
        (record.preempt_count_gpa != 0 && IsIn(record.preempt_count_gpa, gpa, size));
    if (!record.is_attached || !is_removed) continue;
    record.is_attached = false;
    if (!sink_->Withdraw(vcpu_id).ok()) {
      LOG_EVERY_N_SEC(WARNING, 1) << "vCPU " << vcpu_id
                                  << ": memory is removed while the host may still access it";
    }
  }
}

void Device::OnMemoryAdded() {
  for (auto& [vcpu_id, record] : records_) {
    if (record.is_attached) continue;
    if (absl::Status status = Reattach(vcpu_id, record); !status.ok()) {
      VLOG(1) << "vCPU " << vcpu_id << ": record not registered again: " << status;
    }
  }
}

absl::Status Device::Reattach(uint32_t vcpu_id, Record& record) {
  ASSIGN_OR_RETURN(const GuestMemory::Mapping mapping,
                   memory_->Translate(record.gpa, PVSCHED_RECORD_SIZE));
  if (!mapping.is_writable) return absl::PermissionDeniedError("the memory is read-only");
  ASSIGN_OR_RETURN(const pvsched_record header, ReadHeader(*memory_, mapping.range));
  // The memory added at this address may be other memory.
  if (!IsRecordOf(header, vcpu_id) || header.nonce != record.nonce) {
    return absl::NotFoundError("the memory does not contain the record");
  }
  ASSIGN_OR_RETURN(const RecordSink::Registration registration, MakeRegistration(mapping, header));
  RETURN_IF_ERROR(sink_->Register(vcpu_id, registration));
  record.mapping = mapping;
  record.preempt_count_gpa = registration.preempt_count.is_set() ? header.preempt_count_addr : 0;
  record.is_attached = true;
  return absl::OkStatus();
}

void Device::CountResult(pvsched_result result) {
  if (result == PVSCHED_RESULT_OK) return;
  ++counters_.results[result];
  LOG_EVERY_N_SEC(WARNING, 1) << "vCPU " << vcpu_select_
                              << ": the driver's request failed: " << ResultName(result);
}

uint32_t Device::CountAttached() const {
  uint32_t count = 0;
  for (const auto& [vcpu_id, record] : records_) count += record.is_attached;
  return count;
}

}  // namespace pvsched
