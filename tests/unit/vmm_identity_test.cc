// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/vmm_identity.h"

#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

// What pvschedd makes of a front process's note on a descriptor that was refused.
absl::Status Refusal(const std::string& text) {
  PassedFd passed = {.note = {.kind = PassedKind::kRefused,
                              .code = static_cast<int32_t>(absl::StatusCode::kPermissionDenied)},
                     .fd = {}};
  memcpy(passed.note.text, text.data(), text.size());
  return IdentifyVmm(std::move(passed)).status();
}

TEST(VmmIdentityTest, RefusedDescriptorHasTheReasonOfTheFrontProcess) {
  const absl::Status status = Refusal("another user's process");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(), "another user's process");
}

// A front process that was taken over must not make pvschedd read more than its note.
TEST(VmmIdentityTest, ReasonWithoutAnEndIsAsLongAsItsField) {
  const std::string text(sizeof(PassedNote::text), 'x');
  EXPECT_EQ(Refusal(text).message(), text);
}

}  // namespace
}  // namespace pvsched
