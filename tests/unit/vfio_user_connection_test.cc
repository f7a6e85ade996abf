// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <utility>

#include "tests/unit/vfio_user_test_client.h"
#include "vmm-device/vfio_user/connection.h"

namespace pvsched {
namespace {

using vfio_user::Header;
using Message = VfioUserConnection::Message;

int CountOpenFds() {
  int count = 0;
  DIR* dir = opendir("/proc/self/fd");
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count;
}

class VfioUserConnectionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    connection_ = std::make_unique<VfioUserConnection>(UniqueFd(fds[0]));
    client_ = std::make_unique<VfioUserTestClient>(UniqueFd(fds[1]));
  }

  // Receives a message, or fails the test.
  Message MustReceive() {
    absl::StatusOr<std::optional<Message>> received = connection_->Receive();
    EXPECT_TRUE(received.ok()) << received.status();
    if (!received.ok()) return {};
    std::optional<Message>& message = *received;
    EXPECT_TRUE(message.has_value());
    return message ? std::move(*message) : Message{};
  }
  void ExpectNothing() {
    const auto message = connection_->Receive();
    ASSERT_TRUE(message.ok()) << message.status();
    EXPECT_FALSE(message->has_value());
  }
  absl::StatusCode ReceiveError() {
    const auto message = connection_->Receive();
    return message.status().code();
  }

  std::unique_ptr<VfioUserConnection> connection_;
  std::unique_ptr<VfioUserTestClient> client_;
};

TEST_F(VfioUserConnectionTest, MessageHasHeaderAndPayload) {
  client_->SendRaw(VfioUserTestClient::Message(7, 9, {1, 2, 3}));
  const Message message = MustReceive();
  EXPECT_EQ(message.header.id, 7);
  EXPECT_EQ(message.header.command, 9);
  EXPECT_EQ(message.payload, Bytes({1, 2, 3}));
  EXPECT_TRUE(message.fds.empty());
  ExpectNothing();
}

TEST_F(VfioUserConnectionTest, MessageSentByteByByteIsReceivedOnce) {
  const Bytes bytes = VfioUserTestClient::Message(7, 9, {1, 2, 3});
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    client_->SendRaw({bytes[i]});
    ExpectNothing();
  }
  client_->SendRaw({bytes.back()});
  EXPECT_EQ(MustReceive().payload, Bytes({1, 2, 3}));
}

TEST_F(VfioUserConnectionTest, PipelinedMessagesAreReceivedOneByOne) {
  client_->SendRaw(VfioUserTestClient::Message(1, 9, {1}) + VfioUserTestClient::Message(2, 13, {}) +
                   VfioUserTestClient::Message(3, 10, {2, 3}));
  EXPECT_EQ(MustReceive().header.id, 1);
  EXPECT_EQ(MustReceive().header.id, 2);
  EXPECT_EQ(MustReceive().payload, Bytes({2, 3}));
  ExpectNothing();
}

// A longer recvmsg() would join the first message's bytes with the second's.
TEST_F(VfioUserConnectionTest, FdsBelongToTheMessageTheyWereSentWith) {
  const UniqueFd memory = MakeMemfd(4096);
  client_->SendRaw(VfioUserTestClient::Message(1, 9, Bytes(100)));
  client_->SendRaw(VfioUserTestClient::Message(2, 2, Bytes(32)), {memory.get()});
  client_->SendRaw(VfioUserTestClient::Message(3, 2, Bytes(32)));
  client_->SendRaw(VfioUserTestClient::Message(4, 2, Bytes(32)), {memory.get(), memory.get()});
  EXPECT_EQ(MustReceive().fds.size(), 0u);
  EXPECT_EQ(MustReceive().fds.size(), 1u);
  EXPECT_EQ(MustReceive().fds.size(), 0u);
  EXPECT_EQ(MustReceive().fds.size(), 2u);
}

TEST_F(VfioUserConnectionTest, FdsAreCloseOnExecAndClosedWithTheMessage) {
  const UniqueFd memory = MakeMemfd(4096);
  const int before = CountOpenFds();
  client_->SendRaw(VfioUserTestClient::Message(1, 2, {}), std::vector<int>(16, memory.get()));
  {
    const Message message = MustReceive();
    ASSERT_EQ(message.fds.size(), 16u);
    EXPECT_EQ(CountOpenFds(), before + 16);
    for (const UniqueFd& fd : message.fds) EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(CountOpenFds(), before);
}

TEST_F(VfioUserConnectionTest, TooManyFdsAreAnErrorAndAllAreClosed) {
  const UniqueFd memory = MakeMemfd(4096);
  const int before = CountOpenFds();
  client_->SendRaw(VfioUserTestClient::Message(1, 2, {}), std::vector<int>(17, memory.get()));
  EXPECT_EQ(ReceiveError(), absl::StatusCode::kInvalidArgument);
  connection_.reset();
  EXPECT_EQ(CountOpenFds(), before - 1);
}

TEST_F(VfioUserConnectionTest, TooManyFdsInPiecesAreAnError) {
  const UniqueFd memory = MakeMemfd(4096);
  const Bytes bytes = VfioUserTestClient::Message(1, 2, {});
  client_->SendRaw({bytes[0]}, std::vector<int>(16, memory.get()));
  client_->SendRaw({bytes[1]}, {memory.get()});
  EXPECT_EQ(ReceiveError(), absl::StatusCode::kInvalidArgument);
}

TEST_F(VfioUserConnectionTest, FdsWithThePayloadAreClosed) {
  const UniqueFd memory = MakeMemfd(4096);
  const int before = CountOpenFds();
  const Bytes bytes = VfioUserTestClient::Message(1, 2, Bytes(32));
  client_->SendRaw(Bytes(bytes.begin(), bytes.begin() + 20));
  client_->SendRaw(Bytes(bytes.begin() + 20, bytes.end()), {memory.get()});
  EXPECT_TRUE(MustReceive().fds.empty());
  EXPECT_EQ(CountOpenFds(), before);
}

class VfioUserBadSizeTest : public VfioUserConnectionTest,
                            public ::testing::WithParamInterface<uint32_t> {};

TEST_P(VfioUserBadSizeTest, IsAnErrorAfterAReply) {
  client_->SendRaw(
      ToBytes(Header{.id = 5, .command = 9, .size = GetParam(), .flags = 0, .error = 0}));
  EXPECT_EQ(ReceiveError(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client_->Receive().error(), EINVAL);
}

INSTANTIATE_TEST_SUITE_P(Sizes, VfioUserBadSizeTest,
                         ::testing::Values(0, 1, 15, vfio_user::kMaxMessageSize + 1, UINT32_MAX));

TEST_F(VfioUserConnectionTest, BadSizeWithNoReplyFlagIsAnErrorWithoutReply) {
  client_->SendRaw(
      ToBytes(Header{.id = 5, .command = 9, .size = 3, .flags = vfio_user::kNoReply, .error = 0}));
  EXPECT_EQ(ReceiveError(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(client_->Quiet());
}

TEST_F(VfioUserConnectionTest, LargestMessageIsReceived) {
  const Bytes bytes =
      VfioUserTestClient::Message(1, 10, Bytes(vfio_user::kMaxMessageSize - sizeof(Header)));
  ASSERT_EQ(fcntl(client_->fd(), F_SETFL, O_NONBLOCK), 0);
  size_t sent = 0;
  std::optional<Message> message;
  while (!message) {
    if (sent < bytes.size()) {
      const ssize_t n = send(client_->fd(), bytes.data() + sent, bytes.size() - sent, 0);
      if (n > 0) sent += static_cast<size_t>(n);
    }
    auto received = connection_->Receive();
    ASSERT_TRUE(received.ok());
    message = std::move(*received);
  }
  EXPECT_EQ(message->payload.size(), vfio_user::kMaxMessageSize - sizeof(Header));
}

TEST_F(VfioUserConnectionTest, CloseBetweenMessagesIsTheEndOfTheStream) {
  client_->SendRaw(VfioUserTestClient::Message(1, 9, {1}));
  client_->Close();
  EXPECT_EQ(MustReceive().header.id, 1);
  EXPECT_EQ(ReceiveError(), absl::StatusCode::kOutOfRange);
}

TEST_F(VfioUserConnectionTest, CloseWithinAHeaderIsDataLoss) {
  client_->SendRaw({1, 2, 3});
  client_->Close();
  EXPECT_EQ(ReceiveError(), absl::StatusCode::kDataLoss);
}

TEST_F(VfioUserConnectionTest, CloseWithinAPayloadIsDataLoss) {
  const Bytes bytes = VfioUserTestClient::Message(1, 9, Bytes(100));
  client_->SendRaw(Bytes(bytes.begin(), bytes.end() - 1));
  client_->Close();
  EXPECT_EQ(ReceiveError(), absl::StatusCode::kDataLoss);
}

TEST_F(VfioUserConnectionTest, ReplyRepeatsIdAndCommand) {
  const Header request{.id = 77, .command = 9, .size = 16, .flags = 0, .error = 0};
  ASSERT_TRUE(connection_->Reply(request, Bytes{1, 2, 3}).ok());
  const VfioUserTestClient::Reply reply = client_->Receive();
  EXPECT_EQ(reply.header.id, 77);
  EXPECT_EQ(reply.header.command, 9);
  EXPECT_EQ(reply.header.size, 19u);
  EXPECT_EQ(reply.header.flags, 1u);
  EXPECT_EQ(reply.payload, Bytes({1, 2, 3}));
}

TEST_F(VfioUserConnectionTest, ErrorReplyIsAHeaderWithoutPayload) {
  const Header request{.id = 77, .command = 9, .size = 16, .flags = 0, .error = 0};
  ASSERT_TRUE(connection_->ReplyError(request, ENOENT).ok());
  const VfioUserTestClient::Reply reply = client_->Receive();
  EXPECT_EQ(reply.header.size, sizeof(Header));
  EXPECT_EQ(reply.header.flags, 0x21u);
  EXPECT_EQ(reply.header.error, static_cast<uint32_t>(ENOENT));
}

TEST_F(VfioUserConnectionTest, ReplyToAClosedClientIsAnErrorWithoutSignal) {
  client_->Close();
  const Header request{.id = 1, .command = 9, .size = 16, .flags = 0, .error = 0};
  EXPECT_FALSE(connection_->ReplyError(request, EINVAL).ok());
}

}  // namespace
}  // namespace pvsched
