// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/varlink_server.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "common/event_loop.h"
#include "common/fd_passing.h"
#include "common/unix_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/varlink_json.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::ordered_json;

// Long enough for the slowest host, unless a test waits for it.
constexpr std::chrono::seconds kLong{600};

std::string Call(const std::string& method, const std::string& text = "") {
  return Json{{"method", "org.test." + method}, {"parameters", {{"text", text}}}}.dump() + '\0';
}

void Say(const UniqueFd& fd, const std::string& text) {
  EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

// All that comes until the server closes the connection.
std::string ReadAll(const UniqueFd& fd) {
  std::string text;
  char buffer[65536];
  ssize_t size;
  while ((size = read(fd.get(), buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

// One reply, without its end.
std::string Reply(const UniqueFd& fd) {
  std::string text;
  char byte = 0;
  while (read(fd.get(), &byte, 1) == 1 && byte != 0) text += byte;
  return text;
}

// A server in a thread: of the methods Echo, Big, which replies more than a socket's buffer
// holds, Stream, Tick, which sends its text to the newest stream, and Fds, which tells whether
// the call has a descriptor.
class VarlinkServerTest : public testing::Test {
 protected:
  void TearDown() override {
    if (!thread_.joinable()) return;
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  void Start(const VarlinkServer::Limits& limits) {
    server_ = std::make_unique<VarlinkServer>(loop_, limits, [this](sd_varlink* link) {
      if (link == subject_) has_closed_ = true;
    });
    server_->SetOwner(this);
    Bind<&VarlinkServerTest::Echo>("Echo");
    Bind<&VarlinkServerTest::Big>("Big");
    Bind<&VarlinkServerTest::Stream>("Stream");
    Bind<&VarlinkServerTest::Tick>("Tick");
    Bind<&VarlinkServerTest::Fds>("Fds");
    ASSERT_TRUE(server_->Listen(path_, 0600).ok());
    ASSERT_TRUE(loop_.Add(stop_.get(), [this] { loop_.Stop(); }).ok());
    thread_ = std::thread([this] { loop_.Run(); });
  }

  template <int (VarlinkServerTest::*kMethod)(sd_varlink*, sd_json_variant*)>
  void Bind(const std::string& name) {
    const auto callback = [](sd_varlink* link, sd_json_variant* parameters,
                             sd_varlink_method_flags_t, void* test) {
      auto* const self = static_cast<VarlinkServerTest*>(test);
      ++self->calls_;
      return (self->*kMethod)(link, parameters);
    };
    ASSERT_GE(sd_varlink_server_bind_method(server_->get(), ("org.test." + name).c_str(), callback),
              0);
  }
  int Echo(sd_varlink* link, sd_json_variant* parameters) {
    return sd_varlink_reply(link, parameters);
  }
  int Big(sd_varlink* link, sd_json_variant*) {
    subject_ = link;
    return sd_varlink_reply(link, ToVariant({{"text", std::string(kBig, 'x')}}).get());
  }
  int Stream(sd_varlink* link, sd_json_variant* parameters) {
    subject_ = link;
    server_->Notify(link, parameters);
    return 0;
  }
  int Tick(sd_varlink* link, sd_json_variant* parameters) {
    const bool is_sent = server_->Notify(subject_, parameters);
    if (is_sent) server_->Flush(subject_);
    return sd_varlink_reply(link, ToVariant({{"is_sent", is_sent}}).get());
  }
  int Fds(sd_varlink* link, sd_json_variant*) {
    const bool has_fd = sd_varlink_peek_fd(link, 0) >= 0;
    return sd_varlink_reply(link, ToVariant({{"has_fd", has_fd}}).get());
  }

  UniqueFd Connect() {
    auto fd = ConnectUnix(path_, SOCK_STREAM);
    EXPECT_TRUE(fd.ok()) << fd.status();
    return fd.ok() ? *std::move(fd) : UniqueFd();
  }
  std::string Ask(const std::string& message) {
    const UniqueFd fd = Connect();
    Say(fd, message);
    return Reply(fd);
  }
  void ExpectServes() { EXPECT_THAT(Ask(Call("Echo", "one")), HasSubstr("one")); }

  static constexpr size_t kBig = 1 << 20;
  const std::string path_ = testing::TempDir() + "varlink-server-" + std::to_string(getpid());
  EventLoop loop_;
  UniqueFd stop_{eventfd(0, EFD_CLOEXEC)};
  std::atomic<int> calls_ = 0;
  sd_varlink* subject_ = nullptr;  // the newest of a call of Big or Stream
  std::atomic<bool> has_closed_ = false;
  std::unique_ptr<VarlinkServer> server_;
  std::thread thread_;
};

TEST_F(VarlinkServerTest, SilentAndHalfSaidCallsHoldNoOther) {
  Start({.timeout = kLong});
  const UniqueFd silent = Connect();
  const UniqueFd half = Connect();
  const std::string call = Call("Echo", "whole");
  Say(half, call.substr(0, 20));
  ExpectServes();
  Say(half, call.substr(20));
  EXPECT_THAT(Reply(half), HasSubstr("whole"));
}

TEST_F(VarlinkServerTest, HalfSaidCallIsClosedAfterTheTimeout) {
  Start({.timeout = std::chrono::milliseconds(50)});
  const UniqueFd silent = Connect();
  const UniqueFd lines = Connect();
  Say(lines, "{\"command\": \"stats\"}\n");
  EXPECT_THAT(ReadAll(silent), IsEmpty());
  EXPECT_THAT(ReadAll(lines), IsEmpty());
}

TEST_F(VarlinkServerTest, CallWithoutAnEndIsClosed) {
  Start({.max_request = 64 << 10, .timeout = kLong});
  const UniqueFd fd = Connect();
  const std::string part(64 << 10, 'x');
  size_t sent = 0;
  ssize_t size;
  while ((size = send(fd.get(), part.data(), part.size(), MSG_NOSIGNAL)) > 0) {
    sent += static_cast<size_t>(size);
  }
  EXPECT_LT(sent, 2u << 20) << "what the socket's buffer holds comes on top of the limit";
  EXPECT_THAT(ReadAll(fd), IsEmpty());
  ExpectServes();
}

TEST_F(VarlinkServerTest, OtherThanVarlinkIsClosed) {
  Start({.timeout = kLong});
  const std::vector<std::string> messages = {std::string(30'000, '['),
                                             "GET / HTTP/1.1\r\n\r\n",
                                             "{",
                                             "[]",
                                             "{}",
                                             "null",
                                             "{\"method\": 1}",
                                             "{\"method\": \"org.test.Echo\", \"other\": 1}",
                                             "\xff\xfe"};
  for (const std::string& message : messages) {
    const UniqueFd fd = Connect();
    Say(fd, message + '\0');
    EXPECT_THAT(ReadAll(fd), IsEmpty()) << message.substr(0, 80);
  }
  ExpectServes();
}

TEST_F(VarlinkServerTest, UnknownMethodIsAnError) {
  Start({.timeout = kLong});
  EXPECT_THAT(Ask(Call("Colour")), HasSubstr("org.varlink.service.MethodNotFound"));
}

TEST_F(VarlinkServerTest, ClientThatReadsLateGetsAllAndHoldsNoOther) {
  Start({.timeout = kLong});
  const UniqueFd slow = Connect();
  Say(slow, Call("Big"));
  ExpectServes();
  EXPECT_GT(Reply(slow).size(), kBig);
}

TEST_F(VarlinkServerTest, ClientThatDoesNotReadIsClosedAfterTheTimeout) {
  Start({.timeout = std::chrono::milliseconds(50)});
  const UniqueFd fd = Connect();
  Say(fd, Call("Big"));
  while (!has_closed_) std::this_thread::yield();
  EXPECT_LT(ReadAll(fd).size(), kBig);
}

TEST_F(VarlinkServerTest, ClientThatDoesNotReadHasNoFurtherCallAnswered) {
  Start({.timeout = kLong});
  const UniqueFd fd = Connect();
  std::string calls;
  for (int i = 0; i < 100; ++i) calls += Call("Big");
  Say(fd, calls);
  for (int i = 0; i < 50; ++i) ExpectServes();
  EXPECT_EQ(calls_, 51);
  EXPECT_GT(Reply(fd).size(), kBig);
}

TEST_F(VarlinkServerTest, CallsInOneWriteAreAnsweredInTheirOrder) {
  Start({.timeout = kLong});
  const UniqueFd fd = Connect();
  std::string calls;
  for (int i = 0; i < 500; ++i) calls += Call("Echo", std::to_string(i));
  Say(fd, calls);
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(Json::parse(Reply(fd))["parameters"]["text"], std::to_string(i));
  }
}

TEST_F(VarlinkServerTest, ClientThatLeavesBeforeItsReplyIsForgotten) {
  Start({.timeout = kLong});
  for (int i = 0; i < 20; ++i) Say(Connect(), Call("Big"));
  ExpectServes();
}

TEST_F(VarlinkServerTest, OldestConnectionMakesRoom) {
  Start({.max_connections = 8, .timeout = kLong});
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 8; ++i) silent.push_back(Connect());
  ExpectServes();
  EXPECT_THAT(ReadAll(silent.front()), IsEmpty()) << "closed";
  Say(silent.back(), Call("Echo", "last"));
  EXPECT_THAT(Reply(silent.back()), HasSubstr("last"));
}

TEST_F(VarlinkServerTest, OldestConnectionOfAUserMakesRoom) {
  Start({.max_user_connections = 4, .timeout = kLong});
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(Connect());
  ExpectServes();
  EXPECT_THAT(ReadAll(silent.front()), IsEmpty()) << "closed";
}

TEST_F(VarlinkServerTest, StreamOutlivesTheTimeoutAndOtherConnections) {
  Start({.max_connections = 2, .timeout = std::chrono::milliseconds(50)});
  const UniqueFd stream = Connect();
  Say(stream, "{\"method\": \"org.test.Stream\", \"more\": true}" + std::string(1, '\0'));
  EXPECT_THAT(Reply(stream), HasSubstr("\"continues\":true"));
  EXPECT_THAT(ReadAll(Connect()), IsEmpty()) << "closed after the timeout";
  EXPECT_THAT(Ask(Call("Tick", "next")), HasSubstr("true"));
  EXPECT_THAT(Reply(stream), HasSubstr("next"));
}

TEST_F(VarlinkServerTest, StreamThatIsNotReadDropsRepliesAndIsClosed) {
  Start({.timeout = std::chrono::milliseconds(500)});
  const UniqueFd stream = Connect();
  Say(stream, "{\"method\": \"org.test.Stream\", \"more\": true}" + std::string(1, '\0'));
  Reply(stream);
  const std::string text(32 << 10, 'x');
  while (Ask(Call("Tick", text)).find("true") != std::string::npos) {
  }
  while (!has_closed_) std::this_thread::yield();
  EXPECT_THAT(ReadAll(stream), HasSubstr(text));
}

TEST_F(VarlinkServerTest, StreamWhoseClientSendsMoreIsClosed) {
  Start({.timeout = kLong});
  const UniqueFd stream = Connect();
  Say(stream, "{\"method\": \"org.test.Stream\", \"more\": true}" + std::string(1, '\0'));
  Reply(stream);
  Say(stream, Call("Echo"));
  EXPECT_THAT(ReadAll(stream), IsEmpty());
}

// The reply to a call that carries the write end of a pipe, and whether the server keeps it.
std::pair<std::string, bool> PassPipe(const UniqueFd& fd, const std::string& call) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  EXPECT_TRUE(SendWithFds(fd.get(), call.data(), call.size(), {ends[1]}).ok());
  close(ends[1]);
  const std::string reply = Reply(fd);
  // The server closes it with the call, before it answers the next one.
  Say(fd, Call("Echo"));
  Reply(fd);
  char byte;
  fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  return {reply, read(reader.get(), &byte, 1) != 0};
}

TEST_F(VarlinkServerTest, DescriptorsNotAskedForAreClosed) {
  Start({.timeout = kLong});
  const auto [reply, is_kept] = PassPipe(Connect(), Call("Fds"));
  EXPECT_THAT(reply, HasSubstr("false"));
  EXPECT_FALSE(is_kept);
}

TEST_F(VarlinkServerTest, DescriptorLivesAsLongAsItsCall) {
  Start({.timeout = kLong, .takes_fds = true});
  auto [reply, is_kept] = PassPipe(Connect(), Call("Fds"));
  EXPECT_THAT(reply, HasSubstr("true"));
  EXPECT_FALSE(is_kept);
  std::tie(reply, is_kept) = PassPipe(Connect(), Call("Echo", "ignored"));
  EXPECT_THAT(reply, HasSubstr("ignored"));
  EXPECT_FALSE(is_kept);
}

TEST_F(VarlinkServerTest, DescriptorWithinACallClosesTheConnection) {
  Start({.timeout = kLong, .takes_fds = true});
  const UniqueFd fd = Connect();
  const std::string call = Call("Fds");
  Say(fd, call.substr(0, 9));
  ExpectServes();
  const std::string rest = call.substr(9);
  EXPECT_TRUE(SendWithFds(fd.get(), rest.data(), rest.size(), {STDIN_FILENO}).ok());
  EXPECT_THAT(ReadAll(fd), IsEmpty());
}

}  // namespace
}  // namespace pvsched
