// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The real pvsched-device between a VMM and a pvschedd that replies, refuses,
// times out, ends and starts again.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>

#include "tests/native/vfio_user_fake_pvschedd.h"
#include "tests/native/vfio_user_process.h"
#include "tests/unit/vfio_user_test_client.h"

namespace pvsched {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kNonce = 0x1234567812345678;

class VfioUserControlTest : public ::testing::Test {
 protected:
  void StartDevice() {
    device_ = std::make_unique<DeviceProcess>(
        std::vector<std::string>{"--socket", socket_, "--control", control_, "--name", "vm-a",
                                 "--persist"},
        directory_.path() + "/log");
    StartVm();
  }

  // A VM with 4 MiB of memory whose driver is ready to register.
  void StartVm() {
    client_.emplace(ConnectTo(socket_));
    ASSERT_EQ(client_->Negotiate().error(), 0);
    ASSERT_EQ(client_->DmaMap(0, 4 * kMiB, 0, memory_.get()), 0);
    client_->NegotiateFeatures();
  }

  void StartPvschedd() { pvschedd_.emplace(control_); }

  uint32_t Register(uint32_t vcpu_id) {
    PutRecord(memory_.get(), Gpa(vcpu_id), vcpu_id, kNonce);
    return client_->Register(vcpu_id, Gpa(vcpu_id));
  }
  uint32_t Withdraw(uint32_t vcpu_id) { return client_->Register(vcpu_id, 0); }

  static uint64_t Gpa(uint32_t vcpu_id) { return 0x1000 + vcpu_id * PVSCHED_RECORD_SIZE; }

  std::map<uint32_t, FakePvschedd::Record> Expected(const std::vector<uint32_t>& vcpu_ids) {
    struct stat st{};
    fstat(memory_.get(), &st);
    std::map<uint32_t, FakePvschedd::Record> expected;
    for (const uint32_t id : vcpu_ids) expected[id] = {st.st_ino, Gpa(id)};
    return expected;
  }

  bool HasEventually(const std::vector<uint32_t>& vcpu_ids) {
    return Eventually([&] { return pvschedd_->records() == Expected(vcpu_ids); });
  }

  const TemporaryDirectory directory_;
  const std::string socket_ = directory_.path() + "/vm.sock";
  std::string control_ = directory_.path() + "/pvschedd.sock";
  const UniqueFd memory_ = MakeMemfd(4 * kMiB);
  std::optional<FakePvschedd> pvschedd_;
  std::unique_ptr<DeviceProcess> device_;
  std::optional<VfioUserTestClient> client_;
};

TEST_F(VfioUserControlTest, HelloNamesTheVmAndItsVmmProcess) {
  StartPvschedd();
  StartDevice();
  EXPECT_EQ(pvschedd_->hellos(), 1);
  EXPECT_EQ(pvschedd_->vmm(), getpid()) << "the VMM is the process that connected";
  EXPECT_TRUE(pvschedd_->is_vmm_proven());
  EXPECT_EQ(pvschedd_->name(), "vm-a");
}

TEST_F(VfioUserControlTest, OlderPvscheddGetsAPidfd) {
  StartPvschedd();
  pvschedd_->SetVersion(1);
  StartDevice();
  EXPECT_TRUE(Eventually([&] { return pvschedd_->hellos() == 1; }));
  EXPECT_EQ(pvschedd_->vmm(), getpid());
  EXPECT_FALSE(pvschedd_->is_vmm_proven());
  EXPECT_EQ(Register(0), PVSCHED_RESULT_OK);
  EXPECT_TRUE(HasEventually({0}));

  pvschedd_.reset();
  StartPvschedd();
  EXPECT_TRUE(HasEventually({0}));
  EXPECT_TRUE(pvschedd_->is_vmm_proven()) << "the next pvschedd is newer";
}

TEST_F(VfioUserControlTest, RefusalWithoutTheProofIsNotFinal) {
  StartPvschedd();
  // It closes the HELLO of version 2, as a pvschedd that ends does, and refuses the pidfd.
  pvschedd_->SetVersion(1);
  pvschedd_->NeedProof();
  StartDevice();
  EXPECT_TRUE(
      Eventually([&] { return device_->Log().find("of another user") != std::string::npos; }));
  pvschedd_->SetVersion(PVSCHED_CONTROL_VERSION);
  EXPECT_TRUE(Eventually([&] { return pvschedd_->hellos() == 1; }));
  EXPECT_TRUE(pvschedd_->is_vmm_proven());
  EXPECT_EQ(Register(0), PVSCHED_RESULT_OK);
}

TEST_F(VfioUserControlTest, RecordsAreRegisteredBeforeTheGuestSeesOk) {
  StartPvschedd();
  StartDevice();
  EXPECT_EQ(Register(0), PVSCHED_RESULT_OK);
  EXPECT_EQ(Register(3), PVSCHED_RESULT_OK);
  EXPECT_EQ(pvschedd_->records(), Expected({0, 3}));
}

TEST_F(VfioUserControlTest, RecordsAreWithdrawnBeforeResetUnmapAndCloseComplete) {
  StartPvschedd();
  StartDevice();
  ASSERT_EQ(Register(0), PVSCHED_RESULT_OK);
  ASSERT_EQ(Register(1), PVSCHED_RESULT_OK);
  EXPECT_EQ(Withdraw(0), PVSCHED_RESULT_OK);
  EXPECT_EQ(pvschedd_->records(), Expected({1}));

  client_->Write32(PVSCHED_REG_STATUS, 0);
  EXPECT_EQ(client_->Read32(PVSCHED_REG_STATUS), 0u);
  EXPECT_THAT(pvschedd_->records(), IsEmpty());

  client_->NegotiateFeatures();
  ASSERT_EQ(Register(0), PVSCHED_RESULT_OK);
  EXPECT_EQ(client_->Call(vfio_user::kReset, {}).error(), 0);
  EXPECT_THAT(pvschedd_->records(), IsEmpty());

  client_->NegotiateFeatures();
  ASSERT_EQ(Register(0), PVSCHED_RESULT_OK);
  EXPECT_EQ(client_->DmaUnmap(0, 4 * kMiB), 0);
  EXPECT_THAT(pvschedd_->records(), IsEmpty());
  EXPECT_EQ(client_->DmaMap(0, 4 * kMiB, 0, memory_.get()), 0);
  EXPECT_EQ(pvschedd_->records(), Expected({0}));

  client_->Close();
  EXPECT_TRUE(Eventually([&] { return pvschedd_->connections() == 0; }));
  EXPECT_THAT(pvschedd_->records(), IsEmpty());
}

TEST_F(VfioUserControlTest, EachVmSendsHello) {
  StartPvschedd();
  StartDevice();
  ASSERT_EQ(Register(0), PVSCHED_RESULT_OK);
  client_->Close();
  StartVm();
  EXPECT_EQ(pvschedd_->hellos(), 2);
  EXPECT_THAT(pvschedd_->records(), IsEmpty());
  EXPECT_EQ(Register(0), PVSCHED_RESULT_OK);
}

TEST_F(VfioUserControlTest, RefusedRecordIsRefusedToTheGuestAndLogged) {
  StartPvschedd();
  StartDevice();
  pvschedd_->Refuse(PVSCHED_CONTROL_REGISTER, ENOSPC, "this VM may have 1 vCPU");
  EXPECT_EQ(Register(0), PVSCHED_RESULT_REFUSED);
  EXPECT_EQ(client_->Read32(PVSCHED_REG_REGISTERED), 0u);
  EXPECT_THAT(device_->Log(), HasSubstr("this VM may have 1 vCPU"));
}

TEST_F(VfioUserControlTest, FileThatIsNoMemoryIsNotPassedOn) {
  const UniqueFd file(open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  ASSERT_EQ(ftruncate(file.get(), kMiB), 0);
  if (fcntl(file.get(), F_GET_SEALS) >= 0) GTEST_SKIP() << "files here are shared memory";
  StartPvschedd();
  StartDevice();
  ASSERT_EQ(client_->DmaMap(4 * kMiB, kMiB, 0, file.get()), 0);
  PutRecord(file.get(), 0x1000, 0, kNonce);
  EXPECT_EQ(client_->Register(0, 4 * kMiB + 0x1000), PVSCHED_RESULT_REFUSED);
  EXPECT_THAT(device_->Log(), HasSubstr("memory-backend-memfd"));
  EXPECT_THAT(pvschedd_->records(), IsEmpty());
  EXPECT_EQ(Register(0), PVSCHED_RESULT_OK);
}

TEST_F(VfioUserControlTest, RefusedVmSendsHelloToTheNextPvschedd) {
  StartPvschedd();
  pvschedd_->Refuse(PVSCHED_CONTROL_HELLO, EPERM, "not this VM");
  StartDevice();
  EXPECT_EQ(Register(0), PVSCHED_RESULT_REFUSED);
  EXPECT_THAT(device_->Log(), HasSubstr("not this VM"));
  pvschedd_.reset();
  StartPvschedd();
  EXPECT_TRUE(Eventually([&] { return pvschedd_->hellos() == 1; }));
  EXPECT_TRUE(Eventually([&] { return Register(0) == PVSCHED_RESULT_OK; }));
  EXPECT_EQ(pvschedd_->records(), Expected({0}));
}

TEST_F(VfioUserControlTest, VmWithAnotherConnectionRetries) {
  StartPvschedd();
  pvschedd_->Refuse(PVSCHED_CONTROL_HELLO, EEXIST, "has a device already");
  StartDevice();
  EXPECT_EQ(Register(0), PVSCHED_RESULT_REFUSED);
  pvschedd_->Refuse(PVSCHED_CONTROL_HELLO, 0, "");
  EXPECT_TRUE(Eventually([&] { return pvschedd_->hellos() == 1; }));
  EXPECT_TRUE(Eventually([&] { return Register(0) == PVSCHED_RESULT_OK; }));
}

TEST_F(VfioUserControlTest, VmWithoutRoomAsksAgain) {
  StartPvschedd();
  pvschedd_->Refuse(PVSCHED_CONTROL_HELLO, EAGAIN, "the user has 512 VMs");
  StartDevice();
  EXPECT_EQ(Register(0), PVSCHED_RESULT_OK) << "the record is kept";
  EXPECT_THAT(device_->Log(), HasSubstr("the user has 512 VMs"));
  EXPECT_EQ(pvschedd_->hellos(), 0);
  pvschedd_->Refuse(PVSCHED_CONTROL_HELLO, 0, "");
  EXPECT_TRUE(HasEventually({0}));
}

TEST_F(VfioUserControlTest, RecordWithoutRoomIsRegisteredLater) {
  StartPvschedd();
  StartDevice();
  ASSERT_EQ(Register(0), PVSCHED_RESULT_OK);
  pvschedd_->Refuse(PVSCHED_CONTROL_REGISTER, EAGAIN, "the user has 2048 vCPUs");
  EXPECT_EQ(Register(1), PVSCHED_RESULT_OK);
  EXPECT_EQ(Register(2), PVSCHED_RESULT_OK);
  EXPECT_THAT(device_->Log(), HasSubstr("the user has 2048 vCPUs"));
  EXPECT_EQ(Withdraw(2), PVSCHED_RESULT_OK) << "pvschedd has no such record";
  EXPECT_EQ(pvschedd_->records(), Expected({0}));
  pvschedd_->Refuse(PVSCHED_CONTROL_REGISTER, 0, "");
  EXPECT_TRUE(HasEventually({0, 1}));
  EXPECT_EQ(pvschedd_->hellos(), 1) << "over the same connection";
}

TEST_F(VfioUserControlTest, DismissedDeviceAsksAgainAsBefore) {
  StartPvschedd();
  pvschedd_->DismissNext();
  StartDevice();
  EXPECT_TRUE(Eventually([&] { return pvschedd_->hellos() == 1; }));
  EXPECT_TRUE(pvschedd_->is_vmm_proven()) << "it did not take pvschedd for an older one";
  EXPECT_THAT(device_->Log(), HasSubstr("the table is full"));
  EXPECT_EQ(Register(0), PVSCHED_RESULT_OK);
  EXPECT_EQ(Withdraw(0), PVSCHED_RESULT_OK) << "no reply is missing";
}

TEST_F(VfioUserControlTest, WithdrawalTimesOutUntilPvscheddReplies) {
  StartPvschedd();
  StartDevice();
  ASSERT_EQ(Register(0), PVSCHED_RESULT_OK);
  ASSERT_EQ(Register(1), PVSCHED_RESULT_OK);

  pvschedd_->SetSilent(true);
  const auto start = steady_clock::now();
  EXPECT_EQ(Withdraw(0), PVSCHED_RESULT_HOST_TIMEOUT);
  const auto took = steady_clock::now() - start;
  EXPECT_GE(took, milliseconds(490));
  EXPECT_LT(took, milliseconds(3000)) << "well below the 5 s that QEMU waits";
  EXPECT_EQ(Withdraw(0), PVSCHED_RESULT_HOST_TIMEOUT) << "a repeated withdrawal is unconfirmed too";

  pvschedd_->SetSilent(false);
  EXPECT_TRUE(Eventually([&] { return Withdraw(0) == PVSCHED_RESULT_OK; }));
  EXPECT_TRUE(HasEventually({1})) << "the remaining record is registered again";
}

TEST_F(VfioUserControlTest, RegistrationThatTimesOutIsNotKept) {
  StartPvschedd();
  StartDevice();
  pvschedd_->SetSilent(true);
  EXPECT_EQ(Register(0), PVSCHED_RESULT_HOST_TIMEOUT);
  EXPECT_EQ(client_->Read32(PVSCHED_REG_REGISTERED), 0u);
  pvschedd_->SetSilent(false);
  EXPECT_TRUE(Eventually([&] { return pvschedd_->hellos() == 2; }));
  EXPECT_THAT(pvschedd_->records(), IsEmpty());
  EXPECT_TRUE(Eventually([&] { return Withdraw(0) == PVSCHED_RESULT_OK; }));
}

TEST_F(VfioUserControlTest, ReplyWithWrongSeqEndsTheConnection) {
  StartPvschedd();
  StartDevice();
  pvschedd_->SetWrongSeq(true);
  EXPECT_EQ(Register(0), PVSCHED_RESULT_HOST_TIMEOUT);
  pvschedd_->SetWrongSeq(false);
  EXPECT_TRUE(Eventually([&] { return pvschedd_->hellos() == 2; }));
}

TEST_F(VfioUserControlTest, RecordsAreKeptForALaterPvschedd) {
  StartDevice();
  EXPECT_EQ(Register(0), PVSCHED_RESULT_OK);
  EXPECT_EQ(Register(1), PVSCHED_RESULT_OK);
  EXPECT_EQ(Withdraw(1), PVSCHED_RESULT_OK);
  StartPvschedd();
  EXPECT_TRUE(HasEventually({0}));
}

TEST_F(VfioUserControlTest, PvscheddIsFoundInADirectoryThatAppearsLater) {
  const std::string parent = directory_.path() + "/run";
  control_ = parent + "/pvsched/device.sock";
  StartDevice();
  EXPECT_EQ(Register(0), PVSCHED_RESULT_OK);
  for (int round = 0; round < 3; ++round) {
    std::filesystem::create_directories(parent + "/pvsched");
    StartPvschedd();
    EXPECT_TRUE(HasEventually({0})) << "round " << round;
    pvschedd_.reset();
    std::filesystem::remove_all(parent);
  }
}

TEST_F(VfioUserControlTest, RecordsAreRegisteredWithTheNextPvschedd) {
  StartPvschedd();
  StartDevice();
  ASSERT_EQ(Register(0), PVSCHED_RESULT_OK);
  ASSERT_EQ(Register(1), PVSCHED_RESULT_OK);
  for (int round = 0; round < 5; ++round) {
    pvschedd_.reset();
    EXPECT_EQ(client_->Read32(PVSCHED_REG_REGISTERED), 2u);
    StartPvschedd();
    EXPECT_TRUE(HasEventually({0, 1})) << "round " << round;
    EXPECT_EQ(pvschedd_->hellos(), 1);
  }
}

TEST_F(VfioUserControlTest, RecordsWithdrawnWithoutPvscheddAreNotRegisteredLater) {
  StartPvschedd();
  StartDevice();
  ASSERT_EQ(Register(0), PVSCHED_RESULT_OK);
  ASSERT_EQ(Register(1), PVSCHED_RESULT_OK);
  pvschedd_.reset();
  EXPECT_EQ(Withdraw(0), PVSCHED_RESULT_OK);
  EXPECT_EQ(Register(2), PVSCHED_RESULT_OK);
  StartPvschedd();
  EXPECT_TRUE(HasEventually({1, 2}));
}

TEST_F(VfioUserControlTest, ClosedConnectionIsReopened) {
  StartPvschedd();
  StartDevice();
  ASSERT_EQ(Register(0), PVSCHED_RESULT_OK);
  pvschedd_->CloseConnections();
  EXPECT_TRUE(Eventually([&] { return pvschedd_->hellos() == 2; }));
  EXPECT_TRUE(HasEventually({0}));
}

// A host has as many devices as VMs, so idle wake-ups add up.
TEST_F(VfioUserControlTest, IdleDeviceHasNoWakeUps) {
  const auto wake_ups_in_two_seconds = [&] {
    // Retries and log lines are over by then.
    std::this_thread::sleep_for(milliseconds(3500));
    const int64_t before = device_->Status("voluntary_ctxt_switches");
    std::this_thread::sleep_for(milliseconds(2000));
    return device_->Status("voluntary_ctxt_switches") - before;
  };
  if (PVSCHED_IS_SANITIZED) GTEST_SKIP() << "sanitizers have threads of their own";
  StartDevice();
  ASSERT_EQ(Register(0), PVSCHED_RESULT_OK);
  EXPECT_EQ(wake_ups_in_two_seconds(), 0) << "without pvschedd";
  StartPvschedd();
  ASSERT_TRUE(HasEventually({0}));
  EXPECT_EQ(wake_ups_in_two_seconds(), 0) << "with pvschedd";
  EXPECT_LE(device_->Status("VmRSS"), 15 * 1024);
  pvschedd_.reset();
  EXPECT_EQ(wake_ups_in_two_seconds(), 0) << "after pvschedd";
}

}  // namespace
}  // namespace pvsched
