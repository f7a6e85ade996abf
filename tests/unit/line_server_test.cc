// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/line_server.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/event_loop.h"
#include "common/unix_socket.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

// A server in a thread. It answers "big" with more than a socket's buffer holds,
// "keep" by keeping the connection, and all else with the request itself.
class LineServerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.Listen(path_, 0600).ok());
    ASSERT_TRUE(loop_.Add(stop_.get(), [this] { loop_.Stop(); }).ok());
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void TearDown() override {
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  LineServer::Reply Answer(const std::string& request) {
    if (request == "big\n") return {.text = std::string(kBig, 'x')};
    if (request == "keep\n") {
      return {.text = "kept\n", .then = [this](UniqueFd fd) { kept_ = std::move(fd); }};
    }
    return {.text = request};
  }

  UniqueFd Connect() {
    auto fd = ConnectUnix(path_, SOCK_STREAM);
    EXPECT_TRUE(fd.ok()) << fd.status();
    return fd.ok() ? *std::move(fd) : UniqueFd();
  }
  static void Say(const UniqueFd& fd, const std::string& text) {
    EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // All that comes until the server closes the connection.
  static std::string ReadAll(const UniqueFd& fd) {
    std::string text;
    char buffer[65536];
    ssize_t size;
    while ((size = read(fd.get(), buffer, sizeof(buffer))) > 0) {
      text.append(buffer, static_cast<size_t>(size));
    }
    return text;
  }
  std::string Ask(const std::string& request) {
    const UniqueFd fd = Connect();
    Say(fd, request);
    return ReadAll(fd);
  }

  static constexpr size_t kBig = 4 << 20;
  const std::string path_ = testing::TempDir() + "line-server-" + std::to_string(getpid());
  EventLoop loop_;
  UniqueFd stop_{eventfd(0, EFD_CLOEXEC)};
  UniqueFd kept_;
  LineServer server_{loop_, [this](const std::string& request) { return Answer(request); }};
  std::thread thread_;
};

TEST_F(LineServerTest, SilentAndHalfSaidRequestsHoldNoOther) {
  const UniqueFd silent = Connect();
  const UniqueFd half = Connect();
  Say(half, "st");
  EXPECT_EQ(Ask("one\n"), "one\n");
  Say(half, "op\n");
  EXPECT_EQ(ReadAll(half), "stop\n");
}

TEST_F(LineServerTest, ClientThatReadsLateGetsAllAndHoldsNoOther) {
  const UniqueFd slow = Connect();
  Say(slow, "big\n");
  EXPECT_EQ(Ask("one\n"), "one\n");
  EXPECT_EQ(ReadAll(slow).size(), kBig);
}

TEST_F(LineServerTest, ClientThatLeavesBeforeItsReplyIsForgotten) {
  for (size_t i = 0; i < 2 * LineServer::kMaxConnections; ++i) Say(Connect(), "big\n");
  EXPECT_EQ(Ask("one\n"), "one\n");
}

TEST_F(LineServerTest, OldestConnectionMakesRoom) {
  std::vector<UniqueFd> silent;
  for (size_t i = 0; i < LineServer::kMaxConnections; ++i) silent.push_back(Connect());
  EXPECT_EQ(Ask("one\n"), "one\n");
  EXPECT_EQ(ReadAll(silent.front()), "") << "closed";
  Say(silent.back(), "last\n");
  EXPECT_EQ(ReadAll(silent.back()), "last\n");
}

TEST_F(LineServerTest, RequestWithoutAnEndIsRefused) {
  const UniqueFd fd = Connect();
  Say(fd, std::string(LineServer::kMaxRequest, 'x'));
  EXPECT_EQ(ReadAll(fd), "");
}

TEST_F(LineServerTest, KeptConnectionOutlivesItsReply) {
  const UniqueFd fd = Connect();
  Say(fd, "keep\n");
  char buffer[16];
  ASSERT_EQ(read(fd.get(), buffer, sizeof(buffer)), 5);
  EXPECT_EQ(Ask("one\n"), "one\n");
  EXPECT_EQ(recv(fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT), -1) << "not closed";
}

}  // namespace
}  // namespace pvsched
