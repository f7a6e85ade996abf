// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <string>
#include <utility>
#include <vector>

#include "common/fd_passing.h"

namespace pvsched {
namespace {

int CountOpenFds() {
  int count = 0;
  DIR* dir = opendir("/proc/self/fd");
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count;
}

class FdPassingTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, GetParam() | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    here_.reset(fds[0]);
    there_.reset(fds[1]);
  }

  void Send(const std::string& text, const std::vector<int>& fds = {}) {
    const auto sent = SendWithFds(there_.get(), text.data(), text.size(), fds);
    ASSERT_TRUE(sent.ok()) << sent.status();
    ASSERT_EQ(*sent, text.size());
  }
  absl::StatusOr<std::optional<FdMessage>> Receive(size_t max_fds, size_t size = 64) {
    text_.assign(size, '\0');
    auto received = ReceiveWithFds(here_.get(), text_.data(), size, max_fds);
    text_.resize(received.ok() && received->has_value() ? (*received)->size : 0);
    return received;
  }

  const UniqueFd file_{memfd_create("passed", MFD_CLOEXEC)};
  UniqueFd here_;
  UniqueFd there_;
  std::string text_;  // of the last Receive()
};

INSTANTIATE_TEST_SUITE_P(SocketTypes, FdPassingTest, ::testing::Values(SOCK_STREAM, SOCK_SEQPACKET),
                         [](const auto& test) {
                           return test.param == SOCK_STREAM ? "Stream" : "Seqpacket";
                         });

TEST_P(FdPassingTest, DataWithoutFdsArrivesWithoutFds) {
  Send("abc");
  const auto received = Receive(/*max_fds=*/4);
  ASSERT_TRUE(received.ok() && *received);
  EXPECT_EQ(text_, "abc");
  EXPECT_TRUE((*received)->fds.empty());
}

TEST_P(FdPassingTest, PassedFdsAreCloseOnExecAndInOrder) {
  Send("abc", {file_.get(), here_.get()});
  const auto received = Receive(/*max_fds=*/2);
  ASSERT_TRUE(received.ok() && *received);
  ASSERT_EQ((*received)->fds.size(), 2u);
  struct stat sent, passed;
  ASSERT_EQ(fstat(file_.get(), &sent), 0);
  ASSERT_EQ(fstat((*received)->fds[0].get(), &passed), 0);
  EXPECT_EQ(passed.st_ino, sent.st_ino);
  for (const UniqueFd& fd : (*received)->fds) EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
}

TEST_P(FdPassingTest, DataInPiecesIsSentAsOneMessage) {
  std::string first = "ab", second = "cd";
  const iovec pieces[] = {{.iov_base = first.data(), .iov_len = 2},
                          {.iov_base = second.data(), .iov_len = 2}};
  ASSERT_EQ(*SendWithFds(there_.get(), pieces, {file_.get()}), 4u);
  const auto received = Receive(/*max_fds=*/1);
  ASSERT_TRUE(received.ok() && *received);
  EXPECT_EQ(text_, "abcd");
  EXPECT_EQ((*received)->fds.size(), 1u);
}

TEST_P(FdPassingTest, EmptySocketGivesNothing) {
  const auto received = Receive(/*max_fds=*/1);
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_FALSE(received->has_value());
}

TEST_P(FdPassingTest, ClosedPeerIsTheEndOfTheStream) {
  there_.reset();
  EXPECT_EQ(Receive(/*max_fds=*/1).status().code(), absl::StatusCode::kOutOfRange);
}

// CMSG_SPACE() of one fd has room for two, and the kernel fills it.
TEST_P(FdPassingTest, ExcessFdsAreRejectedAndClosed) {
  const int before = CountOpenFds();
  for (const size_t max_fds : {1, 2, 16}) {
    Send("abc", std::vector<int>(max_fds + 1, file_.get()));
    EXPECT_EQ(Receive(max_fds).status().code(), absl::StatusCode::kInvalidArgument) << max_fds;
    EXPECT_EQ(CountOpenFds(), before) << max_fds;
  }
}

TEST_P(FdPassingTest, FdsAreRejectedWhereNoneMayCome) {
  const int before = CountOpenFds();
  Send("abc", {file_.get()});
  EXPECT_EQ(Receive(/*max_fds=*/0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CountOpenFds(), before);
}

TEST_P(FdPassingTest, OnlyPacketsAreTruncated) {
  Send("abcdef");
  const auto received = Receive(/*max_fds=*/1, /*size=*/3);
  ASSERT_TRUE(received.ok() && *received);
  EXPECT_EQ(text_, "abc");
  EXPECT_EQ((*received)->is_truncated, GetParam() == SOCK_SEQPACKET);
}

TEST_P(FdPassingTest, SendingToAClosedPeerIsUnavailableWithoutSignal) {
  here_.reset();
  EXPECT_EQ(SendWithFds(there_.get(), "abc", 3, {}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_P(FdPassingTest, SendingIntoAFullBufferSendsNothing) {
  const std::string text(1024, 'x');
  for (int i = 0; i < 10'000; ++i) {
    const auto sent = SendWithFds(there_.get(), text.data(), text.size(), {});
    ASSERT_TRUE(sent.ok()) << sent.status();
    if (!sent->has_value()) return;
  }
  FAIL() << "the buffer was never full";
}

}  // namespace
}  // namespace pvsched
