// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_VFIO_USER_RANDOM_CLIENT_H_
#define PVSCHED_TESTS_NATIVE_VFIO_USER_RANDOM_CLIENT_H_

#include <gtest/gtest.h>
#include <linux/pci_regs.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <random>

#include "tests/unit/vfio_user_test_client.h"

namespace pvsched {

// Requests at random, and what the device has to reply to them.
class RandomClient {
 public:
  static constexpr uint64_t kMiB = 1 << 20;
  static constexpr uint64_t kRecords = 16 * kMiB;  // a region that stays, with records

  // Maps `memory`, of 64 MiB, and puts records into it. Later steps map and unmap
  // pages unless `maps` is false.
  RandomClient(VfioUserTestClient& client, int memory, uint64_t seed, bool maps = true)
      : client_(client), memory_(memory), maps_(maps), random_(seed) {
    EXPECT_EQ(client.DmaMap(kRecords, kMiB, kRecords, memory), 0);
    client.NegotiateFeatures();
    for (uint32_t id = 0; id < kVcpus; ++id) {
      PutRecord(memory, kRecords + uint64_t{id} * PVSCHED_RECORD_SIZE, id, kNonce);
    }
  }

  void Step() {
    switch (maps_ ? random_() % 8 : 2 + random_() % 4) {
      case 0:
        return Map();
      case 1:
        return Unmap();
      case 2:
        return WriteConfig();
      case 3:
        return Register();
      case 4:
        return PipelineReads();
      case 5:
        return SelectVcpu();
      case 6:
        return random_() % 20 == 0 ? UnmapAll() : Map();
      default:
        return Check();
    }
  }

  void Check() {
    EXPECT_EQ(client_.Read<uint8_t>(vfio_user::kConfig, PCI_INTERRUPT_LINE), line_);
    EXPECT_EQ(client_.Read32(PVSCHED_REG_VCPU_SELECT), vcpu_);
    EXPECT_EQ(client_.Read32(PVSCHED_REG_REGISTERED), CountRecords());
    EXPECT_EQ(client_.Read64(PVSCHED_REG_RECORD_ADDR), records_[vcpu_]);
  }

 private:
  static constexpr uint64_t kPage = 4096;
  static constexpr uint64_t kNonce = 0x1234567812345678;
  static constexpr uint32_t kVcpus = 8;

  void Map() {
    const uint64_t page = random_() % 64;
    const bool was_mapped = is_mapped_[page];
    EXPECT_EQ(client_.DmaMap(page * kPage, kPage, page * kPage, memory_), was_mapped ? EEXIST : 0);
    is_mapped_[page] = true;
  }
  void Unmap() {
    const uint64_t page = random_() % 64;
    EXPECT_EQ(client_.DmaUnmap(page * kPage, kPage), is_mapped_[page] ? 0 : ENOENT);
    is_mapped_[page] = false;
  }
  void UnmapAll() {
    EXPECT_EQ(client_.DmaUnmap(0, 0, vfio_user::kUnmapAll), 0);
    is_mapped_.clear();
    EXPECT_EQ(client_.DmaMap(kRecords, kMiB, kRecords, memory_), 0);
  }
  void WriteConfig() {
    line_ = static_cast<uint8_t>(random_());
    client_.Write<uint8_t>(vfio_user::kConfig, PCI_INTERRUPT_LINE, line_);
  }
  void SelectVcpu() {
    vcpu_ = static_cast<uint32_t>(random_() % kVcpus);
    client_.Write32(PVSCHED_REG_VCPU_SELECT, vcpu_);
  }
  void Register() {
    const uint64_t gpa = kRecords + uint64_t{vcpu_} * PVSCHED_RECORD_SIZE;
    const bool was_registered = records_[vcpu_] != 0;
    client_.Write64(PVSCHED_REG_RECORD_ADDR, was_registered ? 0 : gpa);
    EXPECT_EQ(client_.Read32(PVSCHED_REG_RESULT), PVSCHED_RESULT_OK);
    records_[vcpu_] = was_registered ? 0 : gpa;
  }
  // Several requests before the first reply, which is in order.
  void PipelineReads() {
    for (int i = 0; i < 4; ++i) {
      client_.Send(vfio_user::kRegionRead,
                   VfioUserTestClient::AccessPayload(vfio_user::kBar0, PVSCHED_REG_MAGIC, 4));
    }
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(client_.Receive().As<uint32_t>(sizeof(vfio_user::RegionAccess)), PVSCHED_MAGIC);
    }
  }
  uint32_t CountRecords() {
    uint32_t count = 0;
    for (const auto& [vcpu_id, gpa] : records_) count += gpa != 0;
    return count;
  }

  VfioUserTestClient& client_;
  const int memory_;
  const bool maps_;
  std::mt19937_64 random_;
  std::map<uint64_t, bool> is_mapped_;
  std::map<uint32_t, uint64_t> records_;
  uint32_t vcpu_ = 0;
  uint8_t line_ = 0;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_VFIO_USER_RANDOM_CLIENT_H_
