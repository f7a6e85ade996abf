// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_UNIT_GUEST_RECORD_H_
#define PVSCHED_TESTS_UNIT_GUEST_RECORD_H_

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "common/unique_fd.h"
#include "pvsched_abi.h"

namespace pvsched {

inline UniqueFd MakeMemfd(uint64_t size) {
  UniqueFd fd(memfd_create("guest-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_TRUE(fd);
  EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  return fd;
}

// A record as the guest's driver makes it for the vCPU with APIC id `vcpu_id`.
inline pvsched_record MakeRecord(uint32_t vcpu_id, uint64_t nonce) {
  pvsched_record record{};
  record.magic = PVSCHED_MAGIC;
  record.version = PVSCHED_VERSION_MAJOR;
  record.size = PVSCHED_RECORD_SIZE;
  record.vcpu_id = vcpu_id;
  record.nonce = nonce;
  return record;
}

// Writes such a record at `offset` of the memory file `fd`.
inline void PutRecord(int fd, uint64_t offset, uint32_t vcpu_id, uint64_t nonce) {
  const pvsched_record record = MakeRecord(vcpu_id, nonce);
  EXPECT_EQ(pwrite(fd, &record, sizeof(record), static_cast<off_t>(offset)),
            static_cast<ssize_t>(sizeof(record)));
}

}  // namespace pvsched

#endif  // PVSCHED_TESTS_UNIT_GUEST_RECORD_H_
