// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/unix_socket.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

class UnixSocketTest : public ::testing::Test {
 protected:
  UnixSocketTest() {
    char name[] = "/tmp/pvsched-socket-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/socket";
  }
  ~UnixSocketTest() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
  std::string path_;
};

TEST_F(UnixSocketTest, PathMustFitIntoASockaddr) {
  EXPECT_TRUE(CheckUnixPath(std::string(107, 'x')).ok());
  for (const std::string& path : {std::string(), std::string(108, 'x')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckUnixPath(path)));
    EXPECT_TRUE(absl::IsInvalidArgument(ListenUnix(path, SOCK_STREAM).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(ConnectUnix(path, SOCK_STREAM).status()));
  }
}

TEST_F(UnixSocketTest, ModeSetsTheFilesPermissionsAndKeepsTheUmask) {
  const mode_t mask = umask(027);
  const auto listener = ListenUnix(path_, SOCK_SEQPACKET, 0666);
  EXPECT_EQ(umask(mask), 027u);
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat st;
  ASSERT_EQ(stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0666u);
}

TEST_F(UnixSocketTest, ConnectStatusTellsMissingAndStaleSocketsApart) {
  EXPECT_TRUE(absl::IsNotFound(ConnectUnix(path_, SOCK_STREAM).status()));
  ASSERT_TRUE(ListenUnix(path_, SOCK_STREAM).ok());  // and closed
  EXPECT_TRUE(absl::IsUnavailable(ConnectUnix(path_, SOCK_STREAM).status()));
}

TEST_F(UnixSocketTest, StaleSocketIsReplaced) {
  ASSERT_TRUE(ListenUnix(path_, SOCK_STREAM).ok());
  const auto listener = ListenUnix(path_, SOCK_STREAM);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(ConnectUnix(path_, SOCK_STREAM).ok());
}

TEST_F(UnixSocketTest, SocketInUseIsKept) {
  const auto listener = ListenUnix(path_, SOCK_STREAM);
  ASSERT_TRUE(listener.ok());
  for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
    const absl::Status second = ListenUnix(path_, type).status();
    EXPECT_TRUE(absl::IsAlreadyExists(second));
    EXPECT_THAT(std::string(second.message()), HasSubstr("is in use"));
  }
  EXPECT_TRUE(ConnectUnix(path_, SOCK_STREAM).ok());
}

TEST_F(UnixSocketTest, FileOtherThanASocketIsKept) {
  std::ofstream(path_) << "content";
  EXPECT_TRUE(absl::IsAlreadyExists(ListenUnix(path_, SOCK_STREAM).status()));
  EXPECT_EQ(std::filesystem::file_size(path_), 7u);
}

TEST_F(UnixSocketTest, ConnectionIsClosedWhenFdsRunOut) {
  const auto listener = ListenUnix(path_, SOCK_STREAM);
  ASSERT_TRUE(listener.ok());
  Acceptor acceptor;
  const auto client = ConnectUnix(path_, SOCK_STREAM);
  ASSERT_TRUE(client.ok());
  std::vector<UniqueFd> fds;
  for (UniqueFd fd; fd = UniqueFd(dup(0)), fd;) fds.push_back(std::move(fd));
  EXPECT_FALSE(acceptor.Accept(listener->get(), 0));
  fds.clear();
  char byte;
  EXPECT_EQ(recv(client->get(), &byte, 1, MSG_DONTWAIT), 0) << "closed by the acceptor";
  const auto next = ConnectUnix(path_, SOCK_STREAM);
  EXPECT_TRUE(acceptor.Accept(listener->get(), 0));
}

TEST(EventLoopTest, CallbackMayRemoveItselfAndStopTheLoop) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const UniqueFd reader(fds[0]), writer(fds[1]);
  ASSERT_EQ(write(writer.get(), "x", 1), 1);
  EventLoop loop;
  int calls = 0;
  ASSERT_TRUE(loop.Add(reader.get(),
                       [&, kept = std::string(100, 'x')] {
                         loop.Remove(reader.get());
                         loop.Stop();
                         calls += static_cast<int>(kept.size());
                       })
                  .ok());
  loop.Run();
  EXPECT_EQ(calls, 100);
}

}  // namespace
}  // namespace pvsched
