// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The real pvsched-deviced, which ends and starts again while it serves clients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <random>
#include <thread>

#include "common/unix_socket.h"
#include "tests/native/vfio_user_fake_pvschedd.h"
#include "tests/native/vfio_user_fake_systemd.h"
#include "tests/native/vfio_user_process.h"
#include "tests/native/vfio_user_random_client.h"
#include "tests/unit/vfio_user_test_client.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kMiB = RandomClient::kMiB;
constexpr uint64_t kNonce = 0x1234567812345678;

class VfioUserRestartTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto listener = ListenUnix(socket_, SOCK_STREAM);
    ASSERT_TRUE(listener.ok()) << listener.status();
    systemd_ = std::make_unique<FakeSystemd>(directory_.path() + "/notify", *std::move(listener));
  }
  void TearDown() override {
    if (!supervisor_) return;
    EXPECT_THAT(supervisor_->Log(), Not(HasSubstr("seccomp forbids")));
    if (HasFailure()) std::cout << supervisor_->Log();
  }
  void Start() {
    supervisor_ = std::make_unique<DeviceProcess>(
        std::vector<std::string>{"--control", directory_.path() + "/pvschedd.sock"},
        directory_.path() + "/log", PVSCHED_DEVICED_PATH, systemd_->Prepare());
  }
  void Restart(int signal) {
    supervisor_->Stop(signal);
    Start();
  }
  VfioUserTestClient Connect() { return VfioUserTestClient(ConnectTo(socket_)); }

  const TemporaryDirectory directory_;
  const std::string socket_ = directory_.path() + "/vfio-user.sock";
  const UniqueFd memory_ = MakeMemfd(64 * kMiB);
  std::unique_ptr<FakeSystemd> systemd_;
  std::unique_ptr<DeviceProcess> supervisor_;
};

class VfioUserRestartSignalTest : public VfioUserRestartTest,
                                  public ::testing::WithParamInterface<int> {};

TEST_P(VfioUserRestartSignalTest, SessionsContinueUnderTheirNames) {
  FakePvschedd pvschedd(directory_.path() + "/pvschedd.sock");
  Start();
  auto first = Connect();
  ASSERT_EQ(first.Negotiate().error(), 0);
  ASSERT_EQ(first.DmaMap(0, kMiB, 0, memory_.get()), 0);
  first.NegotiateFeatures();
  PutRecord(memory_.get(), 0x1000, 3, kNonce);
  ASSERT_EQ(first.Register(3, 0x1000), PVSCHED_RESULT_OK);
  const std::string name = pvschedd.name();
  const auto records = pvschedd.records();
  auto second = Connect();
  ASSERT_EQ(second.Negotiate().error(), 0);
  EXPECT_EQ(pvschedd.name(), name + "-2");

  Restart(GetParam());
  EXPECT_EQ(first.Read32(PVSCHED_REG_REGISTERED), 1u);
  EXPECT_EQ(second.Read32(PVSCHED_REG_REGISTERED), 0u);
  EXPECT_TRUE(Eventually([&] { return pvschedd.records() == records; }));
  auto third = Connect();
  ASSERT_EQ(third.Negotiate().error(), 0);
  EXPECT_EQ(pvschedd.name(), name + "-3") << "the others kept their names";
}

TEST_P(VfioUserRestartSignalTest, StoreForgetsASessionThatEnds) {
  Start();
  {
    auto client = Connect();
    ASSERT_EQ(client.Negotiate().error(), 0);
    ASSERT_EQ(client.DmaMap(0, kMiB, 0, memory_.get()), 0);
    EXPECT_TRUE(Eventually([&] { return systemd_->num_stored() == 5; }));
    Restart(GetParam());
    ASSERT_EQ(client.DmaUnmap(0, kMiB), 0);
    EXPECT_TRUE(Eventually([&] { return systemd_->num_stored() == 4; })) << "the memory's file";
  }
  EXPECT_TRUE(Eventually([&] { return systemd_->num_stored() == 0; }));
  EXPECT_TRUE(Eventually([&] { return supervisor_->Children().empty(); }));
}

TEST_P(VfioUserRestartSignalTest, SessionWhoseVmEndedMeanwhileEnds) {
  Start();
  {
    auto client = Connect();
    ASSERT_EQ(client.Negotiate().error(), 0);
    EXPECT_TRUE(Eventually([&] { return systemd_->num_stored() == 4; }));
    supervisor_->Stop(GetParam());
  }
  Start();
  EXPECT_TRUE(Eventually([&] { return systemd_->num_stored() == 0; }));
  EXPECT_EQ(Connect().Negotiate().error(), 0);
}

TEST_P(VfioUserRestartSignalTest, EachRequestIsAnsweredOnceAtRandomRestarts) {
  Start();
  auto client = Connect();
  ASSERT_EQ(client.Negotiate().error(), 0);
  // A request that a SIGKILL interrupts loses its descriptor.
  RandomClient requests(client, memory_.get(), 1, /*maps=*/GetParam() != SIGKILL);
  std::atomic<int> restarts = 0;
  std::thread restarter([&] {
    std::mt19937_64 random(2);
    for (; restarts < 25; ++restarts) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
      Restart(GetParam());
    }
  });
  while (restarts < 25 && !HasFailure()) requests.Step();
  restarter.join();
  requests.Check();
  EXPECT_TRUE(client.Quiet(100)) << "a request was answered twice";
}

INSTANTIATE_TEST_SUITE_P(Signals, VfioUserRestartSignalTest, ::testing::Values(SIGKILL, SIGTERM));

TEST_F(VfioUserRestartTest, LogSaysThatVmsWaitForTheNextStart) {
  Start();
  auto client = Connect();
  ASSERT_EQ(client.Negotiate().error(), 0);
  supervisor_->Stop(SIGTERM);
  EXPECT_THAT(supervisor_->Log(), HasSubstr("wait for the next start of pvsched-deviced: 1"));
  EXPECT_TRUE(client.Quiet(100)) << "the store holds the connection";
}

TEST_F(VfioUserRestartTest, DeviceWithAUnitOfItsOwnSaysThatItIsReady) {
  const std::string socket = directory_.path() + "/device.sock";
  DeviceProcess device({"--socket", socket, "--no-control"}, directory_.path() + "/device.log",
                       PVSCHED_DEVICE_PATH, [this] { systemd_->SetNotifySocket(); });
  EXPECT_TRUE(Eventually([&] { return systemd_->is_ready(); }));
  VfioUserTestClient client(ConnectTo(socket));
  EXPECT_EQ(client.Negotiate().error(), 0) << device.Log();
  EXPECT_TRUE(device.Running());
}

}  // namespace
}  // namespace pvsched
