// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What the threat model forbids devices and VMMs, tried with the real pvschedd.

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "common/unix_socket.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "tests/native/host_daemon.h"
#include "tests/native/mini_vm.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

using PvscheddThreatTest = PvscheddTest;

TEST_F(PvscheddThreatTest, NewRegistrationIsNoNewBudget) {
  daemon_.Ctl("tunable set throttle 10000");
  // A second VM in the process: pvschedd believes the VMM which of its vCPUs a thread runs.
  auto other = MiniVm::Create(8);
  ASSERT_TRUE(other.ok());
  auto connection = ConnectAndBind();
  ASSERT_TRUE(SpinsUntilThrottled());
  auto stays_throttled = [&](uint32_t id) {
    vm_->record(0).grant = 0;
    EXPECT_EQ(connection->Register(id, vm_->memory(), MiniVm::record_offset(0)), 0);
    EXPECT_EQ(connection->Thread(id, vm_->tid(0)), 0);
    EXPECT_TRUE(Eventually([&] { return GrantFlags(*vm_, 0) != 0; }));
    return IsThrottled(0) && IsOrdinary(0);
  };
  ASSERT_EQ(connection->Withdraw(0), 0);
  EXPECT_TRUE(stays_throttled(0));
  // Neither another APIC id nor another connection renews the budget.
  ASSERT_EQ(connection->Withdraw(0), 0);
  EXPECT_TRUE(stays_throttled(7));
  connection->Close();
  ASSERT_TRUE(Eventually([&] { return daemon_.Ctl("vm list").empty(); }));
  connection = Connect();
  EXPECT_TRUE(stays_throttled(0));
}

// What a thread can do to its own parameters without privilege.
class PvscheddLoweringTest : public PvscheddTest {
 protected:
  // Boosts vCPU 0. Its thread then lowers itself.
  void BoostAndLower(uint32_t policy, int nice, uint32_t rt_prio) {
    connection_ = ConnectAndBind();
    vm_->SetIntent(0, kUrgent);
    ASSERT_TRUE(Eventually([&] {
      auto params = GetSchedParams(vm_->tid(0));
      return params.ok() && params->sched_flags == SCHED_FLAG_RESET_ON_FORK;
    }));
    sched_attr lower = {};
    lower.size = sizeof(lower);
    lower.sched_policy = policy;
    lower.sched_nice = nice;
    lower.sched_priority = rt_prio;
    lower.sched_flags = SCHED_FLAG_RESET_ON_FORK;
    ASSERT_TRUE(SetSchedParams(vm_->tid(0), lower).ok());
  }
  std::unique_ptr<ControlConnection> connection_;
};

TEST_F(PvscheddLoweringTest, WithinABoostEndsWithTheBoost) {
  BoostAndLower(SCHED_RR, 0, 7);
  vm_->SetIntent(0, kOrdinary);
  EXPECT_TRUE(Eventually([&] { return GrantFlags(*vm_, 0) == 0 && IsOrdinary(0); }));
  vm_->SetIntent(0, kUrgent);
  EXPECT_TRUE(Eventually([&] { return IsBoosted(0); }));
}

TEST_F(PvscheddLoweringTest, WithinABoostEndsWithTheDevice) {
  BoostAndLower(SCHED_RR, 0, 7);
  connection_->Close();
  EXPECT_TRUE(Eventually([&] { return IsOrdinary(0); }));
}

TEST_F(PvscheddLoweringTest, WithinABoostByNiceEndsWithTheDevice) {
  daemon_.Ctl("tunable set max-policy normal");
  daemon_.Ctl("tunable set min-nice -- -5");
  BoostAndLower(SCHED_OTHER, -4, 0);
  connection_->Close();
  EXPECT_TRUE(Eventually([&] { return HasNice(0, 0); }));
}

TEST_F(PvscheddLoweringTest, WithinABoostEndsAtTheNextStart) {
  BoostAndLower(SCHED_RR, 0, 7);
  daemon_.Stop(SIGKILL);
  ASSERT_TRUE(daemon_.Start());
  EXPECT_TRUE(IsOrdinary(0));
}

TEST_F(PvscheddLoweringTest, BelowTheBaselineStays) {
  BoostAndLower(SCHED_OTHER, 5, 0);
  connection_->Close();
  ASSERT_TRUE(Eventually([&] { return daemon_.Ctl("vm list").empty(); }));
  EXPECT_TRUE(HasNice(0, 5));
}

// At an exec the thread gets the tid of its process's first thread.
TEST_F(PvscheddThreatTest, BaselineIsRestoredWhenAThreadExecutesAProgram) {
  if (PVSCHED_IS_SANITIZED)
    GTEST_SKIP() << "under a sanitizer a forked process cannot start threads";
  const UniqueFd memory(memfd_create("record", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(memory.get(), 4096), 0);
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  ASSERT_NE(page, MAP_FAILED);
  auto& record = *static_cast<pvsched_record*>(page);
  auto* tid = reinterpret_cast<std::atomic<pid_t>*>(static_cast<char*>(page) + 2048);
  const pid_t child = fork();
  if (child == 0) {
    std::thread([&] {
      *tid = gettid();
      while (*tid != 0) usleep(1000);
      execl("/bin/sleep", "sleep", "60", nullptr);
      _exit(1);
    }).join();
    _exit(1);
  }
  ASSERT_TRUE(Eventually([&] { return *tid != 0; }));
  const pid_t thread = *tid;
  ControlConnection connection(daemon_.path("device.sock"));
  ASSERT_EQ(connection.Hello(child, "exec"), 0);
  ASSERT_EQ(connection.Register(0, memory.get(), 0), 0);
  ASSERT_EQ(connection.Thread(0, thread), 0) << connection.reason();
  __atomic_store_n(&record.intent, kUrgent, __ATOMIC_SEQ_CST);
  auto policy = [](pid_t of) {
    auto params = GetSchedParams(of);
    return params.ok() ? params->sched_policy : ~0u;
  };
  ASSERT_TRUE(Eventually([&] { return policy(thread) == SCHED_RR; }));
  *tid = 0;
  ASSERT_TRUE(Eventually([&] {
    std::string name;
    std::getline(std::ifstream("/proc/" + std::to_string(child) + "/comm"), name);
    return name == "sleep";
  }));
  EXPECT_TRUE(Eventually([&] { return policy(child) == SCHED_OTHER; }));
  EXPECT_TRUE(Eventually([&] { return daemon_.Ctl("vcpu list")[0]["tid"].is_null(); }));
  // The host no longer writes the record.
  __atomic_store_n(&record.grant, 0x5555, __ATOMIC_SEQ_CST);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(__atomic_load_n(&record.grant, __ATOMIC_SEQ_CST), 0x5555u);
  munmap(page, 4096);
}

// Starts a process that waits. With `pid` it has that pid; 0 if the pid is in use.
pid_t ForkAs(pid_t pid) {
  for (int tries = 0; tries < 20; ++tries) {
    if (pid != 0) std::ofstream("/proc/sys/kernel/ns_last_pid") << pid - 1;
    const pid_t child = fork();
    if (child == 0) {
      pause();
      _exit(0);
    }
    if (pid == 0 || child == pid) return child;
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  return 0;
}

TEST_F(PvscheddThreatTest, DeviceWhoseVmmHasEndedCanRegisterNoVcpu) {
  const pid_t vmm = ForkAs(0);
  ControlConnection connection(daemon_.path("device.sock"));
  ASSERT_EQ(connection.Hello(vmm, "ended"), 0) << connection.reason();
  ASSERT_EQ(connection.Register(0, vm_->memory(), MiniVm::record_offset(0)), 0);
  kill(vmm, SIGKILL);
  ASSERT_EQ(waitpid(vmm, nullptr, 0), vmm);
  EXPECT_TRUE(Eventually([&] { return daemon_.Ctl("vm list").empty(); }));
  EXPECT_EQ(connection.Register(1, vm_->memory(), MiniVm::record_offset(0)), ENOENT);
  // A new process with the same pid is another VMM. It needs its own device.
  const pid_t successor = ForkAs(vmm);
  if (successor == 0) GTEST_SKIP() << "the pid is not free again";
  EXPECT_EQ(connection.Register(1, vm_->memory(), MiniVm::record_offset(0)), ENOENT);
  ControlConnection other(daemon_.path("device.sock"));
  EXPECT_EQ(other.Hello(successor, "successor"), 0) << other.reason();
  connection.Close();
  EXPECT_EQ(other.Register(0, vm_->memory(), MiniVm::record_offset(0)), 0) << other.reason();
  EXPECT_EQ(other.Thread(0, successor), 0) << other.reason();
  kill(successor, SIGKILL);
  waitpid(successor, nullptr, 0);
}

TEST_F(PvscheddThreatTest, PidfdOfAThreadIsRefused) {
  ControlConnection connection(daemon_.path("device.sock"));
  const UniqueFd thread(
      static_cast<int>(syscall(SYS_pidfd_open, vm_->tid(0), O_EXCL /* PIDFD_THREAD */)));
  ASSERT_TRUE(thread);
  EXPECT_EQ(connection.Ask(connection.Message(PVSCHED_CONTROL_HELLO), thread.get()), EINVAL);
}

// A connection that this process, as a VMM, makes to a socket of its own.
class PvscheddProofTest : public PvscheddTest {
 protected:
  void SetUp() override {
    PvscheddTest::SetUp();
    if (IsSkipped()) return;
    const std::string path = daemon_.path("vfio-user.sock");
    auto listener = ListenUnix(path, SOCK_STREAM, 0666);
    ASSERT_TRUE(listener.ok());
    auto vmm = ConnectUnix(path, SOCK_STREAM);
    ASSERT_TRUE(vmm.ok());
    vmm_end_ = *std::move(vmm);
    device_end_.reset(accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(device_end_);
  }
  // HELLO of a process of another user than the VMM's. Returns the errno.
  int HelloAsAnotherUser(int passed_fd) {
    chmod(daemon_.path("").c_str(), 0755);
    chmod(daemon_.path("device.sock").c_str(), 0666);
    const pid_t child = fork();
    if (child == 0) {
      if (setuid(65534) != 0) _exit(99);
      ControlConnection connection(daemon_.path("device.sock"));
      _exit(connection.Ask(connection.Message(PVSCHED_CONTROL_HELLO), passed_fd));
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }

  UniqueFd vmm_end_;
  UniqueFd device_end_;
};

TEST_F(PvscheddProofTest, ConnectedSocketProvesTheVmmToADeviceOfAnyUser) {
  EXPECT_EQ(HelloAsAnotherUser(device_end_.get()), 0);
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  EXPECT_EQ(HelloAsAnotherUser(pidfd.get()), EPERM);
}

TEST_F(PvscheddProofTest, VmIsThatOfTheProcessThatConnected) {
  ControlConnection device(daemon_.path("device.sock"));
  ASSERT_EQ(device.Ask(device.Message(PVSCHED_CONTROL_HELLO), device_end_.get()), 0);
  const auto vms = daemon_.Ctl("vm list");
  ASSERT_EQ(vms.size(), 1u);
  EXPECT_EQ(vms[0]["pid"], getpid());
  EXPECT_EQ(device.Register(0, vm_->memory(), MiniVm::record_offset(0)), 0) << device.reason();
}

TEST_F(PvscheddProofTest, SocketsThatProveNothingAreRefused) {
  ControlConnection device(daemon_.path("device.sock"));
  const auto hello = [&](int fd) { return device.Ask(device.Message(PVSCHED_CONTROL_HELLO), fd); };
  EXPECT_EQ(hello(vmm_end_.get()), EINVAL) << "its peer is the process that listens";
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  EXPECT_EQ(hello(pair[0]), EINVAL) << "its peer is the process that made it";
  const UniqueFd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_NE(hello(udp.get()), 0);
  close(pair[0]);
  close(pair[1]);
  EXPECT_TRUE(daemon_.Ctl("vm list").empty());
}

TEST_F(PvscheddProofTest, NextDeviceOfAVmReplacesOneThatHasEnded) {
  for (int i = 0; i < 20; ++i) {
    ControlConnection device(daemon_.path("device.sock"));
    ASSERT_EQ(device.Ask(device.Message(PVSCHED_CONTROL_HELLO), device_end_.get()), 0)
        << device.reason();
  }
}

TEST_F(PvscheddProofTest, VersionsThatDifferByOneAreAnswered) {
  const auto hello = [&](int difference) {
    ControlConnection device(daemon_.path("device.sock"));
    pvsched_control_msg message = device.Message(PVSCHED_CONTROL_HELLO);
    message.version = static_cast<uint16_t>(PVSCHED_CONTROL_VERSION + difference);
    return device.Ask(message, device_end_.get());
  };
  EXPECT_EQ(hello(-1), 0);
  EXPECT_EQ(hello(+1), 0);
  EXPECT_EQ(hello(+2), EOPNOTSUPP);
}

TEST_F(PvscheddThreatTest, PreemptCountsWithoutARecordUseOneDescriptor) {
  auto connection = Connect();
  const size_t before = OpenDescriptors(daemon_.pid());
  for (uint32_t id = 0; id < 50; ++id) {
    ASSERT_EQ(connection->PreemptCount(id, vm_->memory(), MiniVm::preempt_count_offset(0), 1), 0);
  }
  EXPECT_LE(OpenDescriptors(daemon_.pid()), before + 1);
  EXPECT_EQ(connection->Ask(connection->Message(PVSCHED_CONTROL_WITHDRAW_ALL)), 0);
  EXPECT_EQ(OpenDescriptors(daemon_.pid()), before);
}

// The lowest number that is no descriptor of the process.
rlim_t LowestFree(pid_t pid) {
  rlim_t fd = 0;
  while (std::filesystem::exists(std::filesystem::symlink_status("/proc/" + std::to_string(pid) +
                                                                 "/fd/" + std::to_string(fd)))) {
    ++fd;
  }
  return fd;
}

TEST_F(PvscheddThreatTest, ConnectionsAreClosedWhileThereIsNoDescriptor) {
  // The connection by which the fixture saw that pvschedd runs ends later.
  rlim_t lowest_free = 0;
  ASSERT_TRUE(Eventually([&] {
    lowest_free = LowestFree(daemon_.pid());
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    return LowestFree(daemon_.pid()) == lowest_free;
  }));
  rlimit old;
  ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, nullptr, &old), 0);
  const rlimit none = {.rlim_cur = lowest_free, .rlim_max = old.rlim_max};
  ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, &none, nullptr), 0);
  for (int i = 0; i < 3; ++i) {
    ControlConnection connection(daemon_.path("device.sock"));
    const timeval timeout = {.tv_sec = 5, .tv_usec = 0};
    setsockopt(connection.fd(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    char byte;
    EXPECT_EQ(recv(connection.fd(), &byte, 1, 0), 0);
  }
  ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_NOFILE, &old, nullptr), 0);
  EXPECT_EQ(Connect()->Register(0, vm_->memory(), 0x4000), 0);
}

TEST_F(PvscheddThreatTest, DevicesDoNotFillTheLog) {
  HostDaemon other;
  const std::string log = other.path("log");
  ASSERT_TRUE(other.Start({}, log));
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 400; ++i) {
    ControlConnection connection(other.path("device.sock"));
    while (connection.Hello(getpid(), "test-vm") == EEXIST) {
    }
  }
  const auto seconds =
      std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - start).count();
  std::ifstream file(log);
  EXPECT_LE(std::count(std::istreambuf_iterator<char>(file), {}, '\n'), 65 * (seconds + 1) + 10);
  unlink(log.c_str());
}

}  // namespace
}  // namespace pvsched
