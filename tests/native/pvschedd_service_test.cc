// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What pvschedd tells a service manager.
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstdlib>
#include <string>

#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

// A service manager's socket; receives time out.
UniqueFd OpenManager(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const timeval timeout = {.tv_sec = 10, .tv_usec = 0};
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0) {
    fd.reset();
  }
  return fd;
}

std::string Receive(const UniqueFd& manager) {
  char text[512];
  const ssize_t size = recv(manager.get(), text, sizeof(text), 0);
  return {text, size > 0 ? static_cast<size_t>(size) : 0};
}

class PvscheddServiceTest : public PvscheddTest {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoHost(); !why.empty()) GTEST_SKIP() << why;
    const std::string path = daemon_.path("notify.sock");
    manager_ = OpenManager(path);
    ASSERT_TRUE(manager_);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
  }

  UniqueFd manager_;
};

TEST_F(PvscheddServiceTest, ReloadIsNotified) {
  ASSERT_TRUE(daemon_.Start());
  EXPECT_EQ(Receive(manager_), "READY=1");
  kill(daemon_.pid(), SIGHUP);
  EXPECT_THAT(Receive(manager_), testing::MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
  EXPECT_THAT(Receive(manager_), testing::StartsWith("READY=1"));
}

TEST_F(PvscheddServiceTest, WatchdogIsFedWhileTheLoopRuns) {
  setenv("WATCHDOG_USEC", "500000", 1);
  ASSERT_TRUE(daemon_.Start());
  EXPECT_EQ(Receive(manager_), "READY=1");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Receive(manager_), "WATCHDOG=1");
}

}  // namespace
}  // namespace pvsched
