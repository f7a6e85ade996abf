// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The real pvsched-deviced, whose devices are killed while they serve a client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/native/user_process.h"
#include "tests/native/vfio_user_fake_pvschedd.h"
#include "tests/native/vfio_user_process.h"
#include "tests/native/vfio_user_random_client.h"
#include "tests/unit/vfio_user_test_client.h"

namespace pvsched {
namespace {

using std::chrono::microseconds;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kNonce = 0x1234567812345678;

class VfioUserSupervisorTest : public ::testing::Test {
 protected:
  void Start(std::vector<std::string> more = {"--no-control"}) {
    more.insert(more.begin(), {"--socket", socket_});
    supervisor_ =
        std::make_unique<DeviceProcess>(more, directory_.path() + "/log", PVSCHED_DEVICED_PATH);
  }
  void TearDown() override {
    if (HasFailure() && supervisor_) std::cout << supervisor_->Log();
  }
  VfioUserTestClient Connect() { return VfioUserTestClient(ConnectTo(socket_)); }

  // The one device's process; 0: none runs at the moment.
  pid_t DevicePid() {
    const std::vector<pid_t> children = supervisor_->Children();
    return children.size() == 1 ? children[0] : 0;
  }
  pid_t WaitForDevice() {
    EXPECT_TRUE(Eventually([&] { return DevicePid() != 0; }));
    return DevicePid();
  }
  // Kills the device, and returns when the next one runs.
  void KillDevice(int signal = SIGKILL) {
    const pid_t pid = WaitForDevice();
    kill(pid, signal);
    EXPECT_TRUE(Eventually([&] { return DevicePid() != 0 && DevicePid() != pid; }));
  }

  const TemporaryDirectory directory_;
  const std::string socket_ = directory_.path() + "/vfio-user.sock";
  const UniqueFd memory_ = MakeMemfd(64 * kMiB);
  std::unique_ptr<DeviceProcess> supervisor_;
};

// Ends the device at random moments until it is destroyed.
class Killer {
 public:
  Killer(const DeviceProcess& supervisor, int signal, uint64_t seed)
      : thread_([this, &supervisor, signal, seed] {
          std::mt19937_64 random(seed);
          pid_t last = 0;
          while (!stop_) {
            std::this_thread::sleep_for(microseconds(random() % 3000));
            const std::vector<pid_t> children = supervisor.Children();
            if (children.size() != 1 || children[0] == last) continue;
            // A new process gets some time for requests, not always enough.
            std::this_thread::sleep_for(microseconds(random() % 20'000));
            last = children[0];
            if (kill(last, signal) == 0) ++kills_;
          }
        }) {}
  ~Killer() {
    stop_ = true;
    thread_.join();
  }
  int kills() const { return kills_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> kills_ = 0;
  std::thread thread_;
};

TEST_F(VfioUserSupervisorTest, EachVmHasADeviceOfItsOwnThatEndsWithIt) {
  Start();
  auto first = Connect();
  auto second = Connect();
  ASSERT_EQ(first.Negotiate().error(), 0);
  ASSERT_EQ(second.Negotiate().error(), 0);
  EXPECT_THAT(supervisor_->Children(), SizeIs(2));
  first.NegotiateFeatures();
  EXPECT_EQ(second.Read32(PVSCHED_REG_STATUS), 0u);
  const int fds_with_two = supervisor_->CountFds();
  first.Close();
  EXPECT_TRUE(Eventually([&] { return supervisor_->Children().size() == 1; }));
  EXPECT_EQ(second.Read32(PVSCHED_REG_MAGIC), PVSCHED_MAGIC);
  EXPECT_LT(supervisor_->CountFds(), fds_with_two);
}

TEST_F(VfioUserSupervisorTest, BrokenStreamEndsTheSession) {
  Start();
  auto client = Connect();
  ASSERT_EQ(client.Negotiate().error(), 0);
  client.SendRaw(Bytes(16));
  EXPECT_TRUE(client.Closed());
  EXPECT_TRUE(Eventually([&] { return supervisor_->Children().empty(); }));
  EXPECT_EQ(Connect().Negotiate().error(), 0) << "other VMs are served";
}

TEST_F(VfioUserSupervisorTest, PartOfARequestSurvivesTheDevice) {
  Start();
  auto client = Connect();
  ASSERT_EQ(client.Negotiate().error(), 0);
  const Bytes request = VfioUserTestClient::Message(7, vfio_user::kDmaMap,
                                                    ToBytes(vfio_user::DmaMap{32, 3, 0, 0, kMiB}));
  client.SendRaw(Bytes(request.begin(), request.begin() + 20), {memory_.get()});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  KillDevice();
  client.SendRaw(Bytes(request.begin() + 20, request.end()));
  const auto reply = client.Receive();
  EXPECT_EQ(reply.error(), 0);
  EXPECT_EQ(reply.header.id, 7);
  client.NegotiateFeatures();
  PutRecord(memory_.get(), 0x1000, 0, kNonce);
  EXPECT_EQ(client.Register(0, 0x1000), PVSCHED_RESULT_OK) << "the descriptor was kept";
}

TEST_F(VfioUserSupervisorTest, RecordsAreRegisteredAgainAndTwoVmsHaveTwoNames) {
  const std::string control = directory_.path() + "/pvschedd.sock";
  FakePvschedd pvschedd(control);
  Start({"--control", control});
  auto client = Connect();
  ASSERT_EQ(client.Negotiate().error(), 0);
  ASSERT_EQ(client.DmaMap(0, kMiB, 0, memory_.get()), 0);
  client.NegotiateFeatures();
  for (uint32_t id = 0; id < 4; ++id) {
    PutRecord(memory_.get(), id * PVSCHED_RECORD_SIZE + 0x1000, id, kNonce);
    ASSERT_EQ(client.Register(id, id * PVSCHED_RECORD_SIZE + 0x1000), PVSCHED_RESULT_OK);
  }
  EXPECT_TRUE(pvschedd.is_vmm_proven());
  const std::string name = pvschedd.name();
  EXPECT_EQ(name, "vm-" + std::to_string(getpid()));
  const auto records = pvschedd.records();
  for (int round = 1; round <= 5; ++round) {
    KillDevice();
    EXPECT_TRUE(Eventually([&] {
      return pvschedd.hellos() == 1 + round && pvschedd.records() == records;
    })) << "round "
        << round;
    EXPECT_EQ(pvschedd.name(), name);
    EXPECT_EQ(client.Read32(PVSCHED_REG_REGISTERED), 4u);
  }
  auto second = Connect();
  ASSERT_EQ(second.Negotiate().error(), 0);
  EXPECT_EQ(pvschedd.name(), name + "-2");
}

TEST_F(VfioUserSupervisorTest, ClientThatDoesNotNegotiateLosesItsPlace) {
  Start({"--no-control", "--hello-timeout", "1000"});
  auto vm = Connect();
  ASSERT_EQ(vm.Negotiate().error(), 0);
  auto silent = Connect();
  auto half = Connect();
  Bytes message =
      VfioUserTestClient::Message(1, vfio_user::kVersion, VfioUserTestClient::QemuVersionPayload());
  message.resize(message.size() / 2);
  half.SendRaw(message);
  EXPECT_TRUE(silent.Closed());
  EXPECT_TRUE(half.Closed());
  EXPECT_TRUE(Eventually([&] { return supervisor_->Children().size() == 1; }));
  EXPECT_EQ(vm.Read32(PVSCHED_REG_MAGIC), PVSCHED_MAGIC) << "it is older, and has negotiated";
}

// VMMs of other users.
class VfioUserUsersTest : public VfioUserSupervisorTest {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoUsers(); !why.empty()) GTEST_SKIP() << why;
    std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  }
  // In a UserProcess: a VMM that is called so on its command line.
  std::string RunVm(const std::string& name) {
    SetCommandLine({"qemu", "-name", name});
    auto* client = new VfioUserTestClient(ConnectTo(socket_));
    return client->Negotiate().header.size > 0 ? "served" : "closed";
  }

 private:
  // What /proc/PID/cmdline shows lies in memory that the process may change.
  static void SetCommandLine(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text.append(word).push_back('\0');
    text.resize(std::max(text.size(), strlen(program_invocation_name)));
    ASSERT_LE(text.size(), strlen(program_invocation_name));
    std::copy(text.begin(), text.end(), program_invocation_name);
  }
};

TEST_F(VfioUserUsersTest, UserHasAShareOfTheVms) {
  Start({"--no-control", "--socket-mode", "0666", "--max-user-vms", "1"});
  ASSERT_EQ(Connect().Negotiate().error(), 0);
  {
    const UserProcess first(kAlice, [&] { return RunVm("a"); });
    EXPECT_EQ(first.result(), "served");
    const UserProcess second(kAlice, [&] { return RunVm("a"); });
    EXPECT_EQ(second.result(), "closed");
    EXPECT_THAT(supervisor_->Log(), HasSubstr("no room now for a VM of user"));
    const UserProcess other(kBob, [&] { return RunVm("a"); });
    EXPECT_EQ(other.result(), "served");
    auto roots = Connect();
    auto roots_next = Connect();
    EXPECT_EQ(roots.Negotiate().error(), 0);
    EXPECT_EQ(roots_next.Negotiate().error(), 0) << "root has no limit";
  }
  EXPECT_TRUE(Eventually([&] { return supervisor_->Children().empty(); }));
  const UserProcess next(kAlice, [&] { return RunVm("a"); });
  EXPECT_EQ(next.result(), "served") << "there is room again";
}

TEST_F(VfioUserUsersTest, NameOfAnotherUsersVmDoesNotChangeTheName) {
  const std::string control = directory_.path() + "/pvschedd.sock";
  const FakePvschedd pvschedd(control);
  Start({"--control", control, "--socket-mode", "0666"});
  const UserProcess bob(kBob, [&] { return RunVm("web"); });
  EXPECT_EQ(pvschedd.name(), "web");
  EXPECT_EQ(pvschedd.vmm(), bob.pid());
  const UserProcess alice(kAlice, [&] { return RunVm("web"); });
  EXPECT_EQ(pvschedd.name(), "web");
  EXPECT_EQ(pvschedd.vmm(), alice.pid());
  const UserProcess second(kAlice, [&] { return RunVm("web"); });
  EXPECT_EQ(pvschedd.name(), "web-2");
}

TEST_F(VfioUserSupervisorTest, StoppedSupervisorEndsItsDevicesAndSaysWhatFollows) {
  Start();
  auto client = Connect();
  ASSERT_EQ(client.Negotiate().error(), 0);
  EXPECT_EQ(supervisor_->Stop(SIGTERM), 0);
  EXPECT_TRUE(client.Closed());
  EXPECT_THAT(supervisor_->Log(), HasSubstr("QEMU aborts at a guest's next reboot"));
}

class VfioUserKilledDeviceTest : public VfioUserSupervisorTest,
                                 public ::testing::WithParamInterface<int> {};

TEST_P(VfioUserKilledDeviceTest, EachRequestIsAnsweredOnceAndTheStateIsKept) {
  if (PVSCHED_IS_SANITIZED)
    GTEST_SKIP() << "a sanitizer's device starts so slowly that three kills can meet one request";
  Start();
  auto client = Connect();
  ASSERT_EQ(client.Negotiate().error(), 0);
  RandomClient requests(client, memory_.get(), 1);
  {
    const Killer killer(*supervisor_, GetParam(), 2);
    while (killer.kills() < 50) {
      requests.Step();
      ASSERT_FALSE(HasFailure()) << "after " << killer.kills() << " kills";
    }
  }
  requests.Check();
  EXPECT_TRUE(client.Quiet(100)) << "a request was answered twice";
  client.Close();
  EXPECT_TRUE(Eventually([&] { return supervisor_->Children().empty(); }));
}

INSTANTIATE_TEST_SUITE_P(Signals, VfioUserKilledDeviceTest, ::testing::Values(SIGKILL, SIGTERM));

}  // namespace
}  // namespace pvsched
