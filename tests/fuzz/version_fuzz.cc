// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The payload of vfio-user's VERSION message, with its JSON. The answer is no longer than the
// request, as QEMU needs, and would itself be accepted.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/fuzz/fuzz.h"
#include "vmm-device/vfio_user/protocol.h"
#include "vmm-device/vfio_user/version.h"

using pvsched::Require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::StatusOr<std::vector<uint8_t>> answer = pvsched::AnswerVersion({data, size});
  if (!answer.ok()) return 0;
  Require(answer->size() >= sizeof(pvsched::vfio_user::Version), "an answer has its fixed part");
  Require(size == sizeof(pvsched::vfio_user::Version) || data[size - 1] == 0,
          "a text without an end is refused");
  Require(answer->size() <= size, "an answer is no longer than the request");
  Require(pvsched::AnswerVersion(*answer).ok(), "an answer is well-formed");
  return 0;
}
