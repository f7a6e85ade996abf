// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/errno_status.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

TEST(ErrnoStatusTest, MessageNamesTheCallAndTheError) {
  EXPECT_EQ(ErrnoStatus(ENOENT, "open").message(), "open: No such file or directory");
}

TEST(ErrnoStatusTest, NegativeErrnoIsTheSameError) {
  EXPECT_EQ(ErrnoStatus(-ENOENT, "open"), ErrnoStatus(ENOENT, "open"));
}

TEST(ErrnoStatusTest, ZeroIsOk) { EXPECT_TRUE(ErrnoStatus(0, "open").ok()); }

// Unavailable means that the peer is gone, and callers reconnect for it.
TEST(ErrnoStatusTest, EagainIsAnExhaustedLimitAndNotUnavailable) {
  EXPECT_EQ(ErrnoStatus(EAGAIN, "connect").code(), absl::StatusCode::kResourceExhausted);
}

TEST(ErrnoStatusTest, ClosedPeerIsUnavailable) {
  for (const int error : {EPIPE, ECONNRESET, ECONNREFUSED}) {
    EXPECT_EQ(ErrnoStatus(error, "send").code(), absl::StatusCode::kUnavailable) << error;
  }
}

TEST(ErrnoStatusTest, KernelsEnotsuppIsUnimplemented) {
  const absl::Status status = ErrnoStatus(-kKernelNotSupported, "bpf");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not supported"));
}

TEST(StatusToErrnoTest, ErrnoSurvivesTheWayToAStatusAndBack) {
  for (const int error : {0, EINVAL, EPERM, ENOENT, EEXIST, ENOSPC, EOPNOTSUPP}) {
    EXPECT_EQ(StatusToErrno(ErrnoStatus(error, "call")), error);
  }
}

TEST(StatusToErrnoTest, OtherCodesAreEio) {
  for (const absl::Status& status :
       {absl::InternalError(""), absl::UnavailableError(""), absl::DataLossError(""),
        absl::DeadlineExceededError(""), absl::UnknownError("")}) {
    EXPECT_EQ(StatusToErrno(status), EIO) << status;
  }
}

absl::Status ReturnIfError(const absl::Status& status, bool& continued) {
  RETURN_IF_ERROR(status);
  continued = true;
  return absl::OkStatus();
}

TEST(StatusMacrosTest, ReturnIfErrorReturnsErrorsOnly) {
  bool continued = false;
  EXPECT_EQ(ReturnIfError(absl::NotFoundError("x"), continued), absl::NotFoundError("x"));
  EXPECT_FALSE(continued);
  EXPECT_TRUE(ReturnIfError(absl::OkStatus(), continued).ok());
  EXPECT_TRUE(continued);
}

absl::StatusOr<int> Add(absl::StatusOr<std::unique_ptr<int>> a, const absl::StatusOr<int>& b) {
  ASSIGN_OR_RETURN(const std::unique_ptr<int> first, std::move(a));
  int sum = *first;
  ASSIGN_OR_RETURN(const int second, b);
  sum += second;
  return sum;
}

TEST(StatusMacrosTest, AssignOrReturnMovesTheValueOrReturnsTheError) {
  EXPECT_EQ(*Add(std::make_unique<int>(2), 3), 5);
  EXPECT_EQ(Add(absl::NotFoundError("a"), 3).status(), absl::NotFoundError("a"));
  EXPECT_EQ(Add(std::make_unique<int>(2), absl::NotFoundError("b")).status(),
            absl::NotFoundError("b"));
}

}  // namespace
}  // namespace pvsched
