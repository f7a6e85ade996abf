// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What a user's devices and VMMs can do to the VM of another user: nothing.
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/unix_socket.h"
#include "gtest/gtest.h"
#include "tests/native/host_daemon.h"
#include "tests/native/user_process.h"

namespace pvsched {
namespace {

// Alice has a VM with two vCPUs. Bob may connect to the device socket, too.
class PvscheddUsersTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoHost(); !why.empty()) GTEST_SKIP() << why;
    if (std::string why = WhyNoUsers(); !why.empty()) GTEST_SKIP() << why;
    ASSERT_TRUE(daemon_.Start());
    chmod(daemon_.path("").c_str(), 0755);
    chmod(daemon_.path("device.sock").c_str(), 0666);
    alice_ = std::make_unique<UserProcess>(kAlice, [this] { return StartVm("web", 2); });
    ASSERT_EQ(alice_->result(), "0 0 0 ");
  }
  void TearDown() override {
    if (!alice_) return;
    // Whatever Bob did, Alice's VM is as it was.
    const auto vcpus = daemon_.Ctl("vcpu list");
    int of_alice = 0;
    for (const auto& vcpu : vcpus) of_alice += vcpu["pid"] == alice_->pid() ? 1 : 0;
    EXPECT_EQ(of_alice, 2) << vcpus;
  }

  ControlConnection& Open() {
    connections_.push_back(std::make_unique<ControlConnection>(daemon_.path("device.sock")));
    return *connections_.back();
  }

  // A VM of this process. Returns the errors.
  std::string StartVm(const std::string& name, uint32_t vcpus) {
    ControlConnection& device = Open();
    std::string errors = std::to_string(device.Hello(getpid(), name)) + " ";
    const int memory = memfd_create("memory", MFD_CLOEXEC);
    if (ftruncate(memory, 4096) != 0) return "no memory";
    for (uint32_t id = 0; id < vcpus; ++id) {
      errors +=
          std::to_string(device.Register(id, memory, uint64_t{id} * PVSCHED_RECORD_SIZE)) + " ";
    }
    return errors;
  }

  // The error of HELLO with this descriptor.
  int HelloWith(int fd) {
    ControlConnection& device = Open();
    return device.Ask(device.Message(PVSCHED_CONTROL_HELLO), fd);
  }

  static std::string TryToConnect(const std::string& path, int type) {
    const absl::Status status = ConnectUnix(path, type).status();
    if (status.ok()) return "connected ";
    return absl::IsPermissionDenied(status) ? "denied " : std::string(status.message());
  }

  nlohmann::json VmOf(pid_t pid) {
    for (const auto& vm : daemon_.Ctl("vm list")) {
      if (vm["pid"] == pid) return vm;
    }
    return nullptr;
  }

  HostDaemon daemon_;
  std::vector<std::unique_ptr<ControlConnection>> connections_;
  std::unique_ptr<UserProcess> alice_;
};

TEST_F(PvscheddUsersTest, UserCannotSpeakForTheVmOfAnother) {
  const UserProcess bob(kBob, [this] {
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, alice_->pid(), 0));
    return std::to_string(HelloWith(pidfd));
  });
  EXPECT_EQ(bob.result(), std::to_string(EPERM));
}

TEST_F(PvscheddUsersTest, SameNameIsAnotherVm) {
  const UserProcess bob(kBob, [this] { return StartVm("web", 1); });
  EXPECT_EQ(bob.result(), "0 0 ");
  EXPECT_EQ(VmOf(alice_->pid())["uid"], kAlice);
  EXPECT_EQ(VmOf(bob.pid())["uid"], kBob);
  EXPECT_EQ(VmOf(bob.pid())["vm"], "web");
}

TEST_F(PvscheddUsersTest, RequestsAreForTheOwnVmOnly) {
  const UserProcess bob(kBob, [this] {
    ControlConnection& device = Open();
    device.Hello(getpid(), "web");
    std::string errors = std::to_string(device.Withdraw(0)) + " ";
    errors += std::to_string(device.Ask(device.Message(PVSCHED_CONTROL_WITHDRAW_ALL))) + " ";
    const int memory = memfd_create("memory", MFD_CLOEXEC);
    if (ftruncate(memory, 4096) != 0) return std::string("no memory");
    errors += std::to_string(device.Register(0, memory, 0)) + " ";
    return errors + std::to_string(device.Thread(0, alice_->pid()));
  });
  EXPECT_EQ(bob.result(), "0 0 0 " + std::to_string(EPERM));
}

TEST_F(PvscheddUsersTest, VmIsOfTheUserAsWhomItsVmmConnected) {
  // The VMM connects to a device of root, as to one of pvsched-deviced.
  const std::string path = daemon_.path("vfio-user.sock");
  auto listener = ListenUnix(path, SOCK_STREAM, 0666);
  ASSERT_TRUE(listener.ok());
  const UserProcess bob(
      kBob,
      [&path] {
        auto vmm = ConnectUnix(path, SOCK_STREAM);
        return std::to_string(vmm.ok() ? vmm->release() > 0 : 0);
      },
      UserProcess::Kind::kBecomesRoot);
  ASSERT_EQ(bob.result(), "1");
  struct stat info = {};
  ASSERT_EQ(stat(("/proc/" + std::to_string(bob.pid())).c_str(), &info), 0);
  ASSERT_EQ(info.st_uid, 0u) << "by now it is root's";
  const UniqueFd device_end(accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_EQ(HelloWith(device_end.get()), 0);
  EXPECT_EQ(VmOf(bob.pid())["uid"], kBob);
}

TEST_F(PvscheddUsersTest, UserCannotSeeOrSetAnothersVm) {
  const UserProcess bob(kBob, [this] {
    return TryToConnect(daemon_.path("admin.sock"), SOCK_STREAM) +
           TryToConnect(daemon_.path("read.sock"), SOCK_STREAM);
  });
  EXPECT_EQ(bob.result(), "denied denied ");
}

TEST_F(PvscheddUsersTest, DeviceSocketIsClosedToOtherUsersUnlessItsModeSaysOtherwise) {
  HostDaemon other;
  ASSERT_TRUE(other.Start());
  chmod(other.path("").c_str(), 0755);
  const UserProcess bob(
      kBob, [&other] { return TryToConnect(other.path("device.sock"), SOCK_SEQPACKET); });
  EXPECT_EQ(bob.result(), "denied ");
}

}  // namespace
}  // namespace pvsched
