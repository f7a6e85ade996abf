// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// One user cannot use up what pvschedd has for all.
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/types/span.h"
#include "common/fd_passing.h"
#include "common/pidfd.h"
#include "gtest/gtest.h"
#include "tests/native/host_daemon.h"
#include "tests/native/user_process.h"

namespace pvsched {
namespace {

class PvscheddSharesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoHost(); !why.empty()) GTEST_SKIP() << why;
    if (std::string why = WhyNoUsers(); !why.empty()) GTEST_SKIP() << why;
  }
  // All users may connect.
  void Start(const std::vector<std::string>& arguments) {
    ASSERT_TRUE(daemon_.Start(arguments));
    chmod(daemon_.path("").c_str(), 0755);
    chmod(daemon_.path("device.sock").c_str(), 0666);
  }
  // Of this process, or of a UserProcess, which closes it only at its end.
  ControlConnection& Open() {
    connections_.push_back(std::make_unique<ControlConnection>(daemon_.path("device.sock")));
    return *connections_.back();
  }

  // Registers VMs of idle processes. Returns the errors.
  std::string AddVms(int count) {
    std::string errors;
    for (int i = 0; i < count; ++i) {
      errors += std::to_string(Open().Hello(StartIdleProcess(), "idle")) + " ";
    }
    return errors;
  }

  // The error with which pvschedd closes a connection without a VM; -1: another end.
  static int Farewell(const ControlConnection& connection) {
    const timeval timeout = {.tv_sec = 10, .tv_usec = 0};
    setsockopt(connection.fd(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    pvsched_control_msg message = {};
    if (recv(connection.fd(), &message, sizeof(message), 0) != sizeof(message)) return -1;
    const bool is_hello = message.type == (PVSCHED_CONTROL_HELLO | PVSCHED_CONTROL_REPLY);
    char byte;
    if (!is_hello || message.seq != 0 || recv(connection.fd(), &byte, 1, 0) != 0) return -1;
    EXPECT_STRNE(message.text, "");
    return message.error;
  }

  const std::string later_ = std::to_string(EAGAIN) + " ";
  HostDaemon daemon_;
  std::vector<std::unique_ptr<ControlConnection>> connections_;
};

TEST_F(PvscheddSharesTest, UserHasAShareOfTheVms) {
  Start({"--max-user-vms", "2"});
  {
    const UserProcess alice(kAlice, [&] { return AddVms(4); });
    EXPECT_EQ(alice.result(), "0 0 " + later_ + later_);
    const UserProcess bob(kBob, [&] { return AddVms(1); });
    EXPECT_EQ(bob.result(), "0 ") << "another user's share";
    EXPECT_EQ(daemon_.Ctl("stats")["refusals"]["hello"], 2);
  }
  ASSERT_TRUE(Eventually([&] { return daemon_.Ctl("vm list").empty(); }));
  const UserProcess alice(kAlice, [&] { return AddVms(2); });
  EXPECT_EQ(alice.result(), "0 0 ") << "there is room again";
}

TEST_F(PvscheddSharesTest, RootHasNoShare) {
  Start({"--max-user-vms", "1", "--max-user-vcpus", "1"});
  EXPECT_EQ(AddVms(2), "0 0 ");
  const UniqueFd memory(memfd_create("memory", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(memory.get(), 4096), 0);
  ControlConnection& vm = Open();
  ASSERT_EQ(vm.Hello(getpid(), "root"), 0);
  EXPECT_EQ(vm.Register(0, memory.get(), 0), 0);
  EXPECT_EQ(vm.Register(1, memory.get(), 256), 0);
}

TEST_F(PvscheddSharesTest, VmWhoseVmmHasEndedCountsUntilItsDeviceDisconnects) {
  Start({"--max-user-vms", "1"});
  const UserProcess alice(kAlice, [&] {
    ControlConnection& first = Open();
    const pid_t vmm = StartIdleProcess();
    std::string errors = std::to_string(first.Hello(vmm, "ended")) + " ";
    kill(vmm, SIGKILL);
    waitpid(vmm, nullptr, 0);
    errors += AddVms(1);
    // Its request is answered after pvschedd has seen the end of the VMM, or before.
    first.Withdraw(0);
    errors += AddVms(1);
    first.Close();
    ControlConnection& last = Open();
    const pid_t next = StartIdleProcess();
    const bool has_room = Eventually([&] { return last.Hello(next, "next") == 0; });
    return errors + (has_room ? "0" : "no room");
  });
  EXPECT_EQ(alice.result(), "0 " + later_ + later_ + "0");
}

TEST_F(PvscheddSharesTest, UserHasAShareOfTheVcpus) {
  Start({"--max-user-vcpus", "3"});
  const UserProcess alice(kAlice, [&] {
    const int memory = memfd_create("memory", MFD_CLOEXEC);
    ControlConnection& first = Open();
    ControlConnection& second = Open();
    if (ftruncate(memory, 4096) != 0 || first.Hello(StartIdleProcess(), "first") != 0 ||
        second.Hello(StartIdleProcess(), "second") != 0) {
      return std::string("no VMs");
    }
    std::string errors;
    const auto add = [&](int error) { errors += std::to_string(error) + " "; };
    add(first.Register(0, memory, 0));
    add(first.Register(1, memory, 256));
    add(second.Register(0, memory, 512));
    add(second.Register(1, memory, 768));
    errors += second.reason() + " ";
    add(first.Withdraw(0));
    add(second.Register(1, memory, 768));
    return errors;
  });
  EXPECT_EQ(alice.result(), "0 0 0 " + later_ + "user " + std::to_string(kAlice) +
                                " has 3 vCPUs, the limit (max-user-vcpus) 0 0 ");
  EXPECT_EQ(daemon_.Ctl("vcpu list").size(), 3u);
}

TEST_F(PvscheddSharesTest, OneMoreConnectionWithoutVmClosesTheUsersOldest) {
  Start({"--max-user-connections", "2", "--hello-timeout", "3600000"});
  ControlConnection& roots = Open();
  const UserProcess alice(kAlice, [&] {
    ControlConnection& with_vm = Open();
    std::string errors = std::to_string(with_vm.Hello(StartIdleProcess(), "vm")) + " ";
    ControlConnection& oldest = Open();
    ControlConnection& second = Open();
    ControlConnection& third = Open();
    errors += std::to_string(Farewell(oldest)) + " ";
    errors += std::to_string(second.Hello(StartIdleProcess(), "second")) + " ";
    errors += std::to_string(third.Hello(StartIdleProcess(), "third")) + " ";
    errors += std::to_string(with_vm.Withdraw(0));
    return errors;
  });
  EXPECT_EQ(alice.result(), "0 " + later_ + "0 0 0");
  EXPECT_EQ(roots.Hello(getpid(), "root"), 0) << "it is older, but of another user";
  EXPECT_EQ(daemon_.Ctl("stats")["refusals"]["connection"], 1);
}

TEST_F(PvscheddSharesTest, HelloThatHasArrivedCountsBeforeItsConnectionIsClosed) {
  Start({"--max-user-connections", "1"});
  ControlConnection& with_vm = Open();
  ASSERT_EQ(with_vm.Hello(getpid(), "vm"), 0);
  ControlConnection& oldest = Open();
  // pvschedd may serve the first request before the event of its listener, but not the second.
  ASSERT_EQ(with_vm.Withdraw(0), 0);
  ASSERT_EQ(with_vm.Withdraw(0), 0) << "pvschedd has accepted the oldest before";
  kill(daemon_.pid(), SIGSTOP);
  const absl::Cleanup resume = [&] { kill(daemon_.pid(), SIGCONT); };
  ASSERT_EQ(waitpid(daemon_.pid(), nullptr, WUNTRACED), daemon_.pid());
  Open();  // pvschedd sees it before the HELLO
  const UniqueFd vmm(pidfd_open(StartIdleProcess(), 0));
  const pvsched_control_msg hello = oldest.Message(PVSCHED_CONTROL_HELLO);
  const int fd = vmm.get();
  ASSERT_TRUE(SendWithFds(oldest.fd(), &hello, sizeof(hello), absl::MakeConstSpan(&fd, 1)).ok());
  ASSERT_TRUE(Eventually([&] {
    int unread = 1;
    return ioctl(oldest.fd(), SIOCOUTQ, &unread) == 0 && unread == 0;
  })) << "it is on its way to pvschedd";
  kill(daemon_.pid(), SIGCONT);
  pvsched_control_msg reply = {};
  ASSERT_EQ(recv(oldest.fd(), &reply, sizeof(reply), 0), sizeof(reply));
  EXPECT_EQ(reply.error, 0) << reply.text;
  EXPECT_EQ(oldest.Withdraw(0), 0);
}

TEST_F(PvscheddSharesTest, ConnectionWithoutVmIsClosedInTime) {
  Start({"--hello-timeout", "1000"});
  std::unique_ptr<ControlConnection> device;
  ASSERT_TRUE(Eventually([&] {
    device = std::make_unique<ControlConnection>(daemon_.path("device.sock"));
    return device->Hello(getpid(), "device") == 0;
  }));
  ControlConnection& silent = Open();
  ControlConnection& refused = Open();
  EXPECT_EQ(refused.Hello(getpid(), "second"), EEXIST);
  EXPECT_EQ(Farewell(silent), EAGAIN);
  EXPECT_EQ(Farewell(refused), EAGAIN);
  EXPECT_EQ(device->Withdraw(0), 0) << "it is older, and has a VM";
}

TEST_F(PvscheddSharesTest, HalfAMessageEndsItsConnection) {
  Start({"--hello-timeout", "3600000"});
  ControlConnection& device = Open();
  pvsched_control_msg hello = device.Message(PVSCHED_CONTROL_HELLO);
  ASSERT_EQ(send(device.fd(), &hello, sizeof(hello) / 2, 0), sizeof(hello) / 2);
  char byte;
  EXPECT_EQ(recv(device.fd(), &byte, 1, 0), 0);
}

}  // namespace
}  // namespace pvsched
