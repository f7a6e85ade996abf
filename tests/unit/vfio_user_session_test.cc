// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The session: negotiation, errors of any request, reset, and its end.
#include <gtest/gtest.h>
#include <linux/pci_regs.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <utility>

#include "tests/unit/vfio_user_server_fixture.h"

namespace pvsched {
namespace {

using vfio_user::DeviceInfo;
using vfio_user::SetIrqs;

class VfioUserSessionTest : public VfioUserServerTest {};

TEST_F(VfioUserSessionTest, OtherCommandBeforeVersionEndsTheSession) {
  EXPECT_EQ(Call(vfio_user::kDeviceGetInfo, ToBytes(DeviceInfo{16, 0, 0, 0})), EINVAL);
  EXPECT_FALSE(server_);
  EXPECT_TRUE(client_->Closed());
}

TEST_F(VfioUserSessionTest, RefusedVersionEndsTheSession) {
  EXPECT_EQ(Call(vfio_user::kVersion, VfioUserTestClient::VersionPayload("{}", 5)), EINVAL);
  EXPECT_FALSE(server_);
}

TEST_F(VfioUserSessionTest, SecondVersionIsRefused) {
  Negotiate();
  EXPECT_EQ(client_->Negotiate().error(), EINVAL);
  EXPECT_TRUE(server_);
}

TEST_F(VfioUserSessionTest, UnknownCommandsAreUnsupported) {
  Negotiate();
  for (const uint16_t command : {0, 6, 11, 12, 14, 15, 16, 17, 18, 19, 0xffff}) {
    EXPECT_EQ(Call(command, Bytes(32)), EOPNOTSUPP) << command;
  }
  EXPECT_TRUE(server_);
}

TEST_F(VfioUserSessionTest, UnsolicitedReplyEndsTheSession) {
  Negotiate();
  client_->Send(vfio_user::kRegionRead, Bytes(16), {}, vfio_user::kTypeReply);
  client_->Pump();
  EXPECT_FALSE(server_);
  EXPECT_EQ(status_.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(VfioUserSessionTest, CommandWithErrorFlagIsRefused) {
  Negotiate();
  EXPECT_EQ(Call(vfio_user::kReset, {}, {}, vfio_user::kError), EINVAL);
}

TEST_F(VfioUserSessionTest, TooShortPayloadIsRefused) {
  Negotiate();
  const std::pair<uint16_t, size_t> sizes[] = {
      {vfio_user::kDmaMap, 32},     {vfio_user::kDmaUnmap, 24},   {vfio_user::kDeviceGetInfo, 16},
      {vfio_user::kRegionInfo, 32}, {vfio_user::kIrqInfo, 16},    {vfio_user::kSetIrqs, 20},
      {vfio_user::kRegionRead, 16}, {vfio_user::kRegionWrite, 16}};
  for (const auto& [command, size] : sizes) {
    EXPECT_EQ(Call(command, {}), EINVAL) << command;
    Bytes payload(size - 1);
    payload[0] = static_cast<uint8_t>(size);  // argsz
    EXPECT_EQ(Call(command, payload), EINVAL) << command;
  }
}

TEST_F(VfioUserSessionTest, NoReplyFlagSuppressesRepliesAndErrors) {
  Negotiate();
  client_->Send(vfio_user::kReset, {}, {}, vfio_user::kNoReply);
  client_->Send(0xffff, {}, {}, vfio_user::kNoReply);
  client_->Send(vfio_user::kRegionWrite, {}, {}, vfio_user::kNoReply);
  client_->Pump();
  EXPECT_TRUE(client_->Quiet());
  EXPECT_TRUE(server_);
}

TEST_F(VfioUserSessionTest, FdsOfARefusedRequestAreClosed) {
  Negotiate();
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const UniqueFd reader(pipe_fds[0]);
  UniqueFd writer(pipe_fds[1]);
  EXPECT_EQ(Call(vfio_user::kReset, {}, {writer.get()}), 0);
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, writer.get()), EINVAL);
  EXPECT_EQ(Call(vfio_user::kSetIrqs, ToBytes(SetIrqs{20, 0x24, 0, 0, 1}), {writer.get()}), EINVAL);
  EXPECT_EQ(Call(0xffff, {}, {writer.get()}), EOPNOTSUPP);
  writer.reset();
  char byte;
  EXPECT_EQ(read(reader.get(), &byte, 1), 0) << "the server holds the write end";
}

TEST_F(VfioUserSessionTest, CloseWithinAMessageEndsTheSession) {
  NegotiateAll();
  PutRecord(memfd_.get(), 0x1000, 0, kNonce);
  ASSERT_EQ(client_->Register(0, 0x1000), PVSCHED_RESULT_OK);
  client_->SendRaw({1, 0, 9});
  client_->Close();
  client_->Pump();
  EXPECT_FALSE(server_);
  EXPECT_EQ(status_.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(sink_.offsets.empty());
}

TEST_F(VfioUserSessionTest, CloseWithdrawsRecordsAndRemovesMemory) {
  NegotiateAll();
  PutRecord(memfd_.get(), 0x1000, 3, kNonce);
  ASSERT_EQ(client_->Register(3, 0x1000), PVSCHED_RESULT_OK);
  EXPECT_EQ(sink_.offsets.size(), 1u);
  client_->Close();
  client_->Pump();
  EXPECT_EQ(status_.code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(sink_.offsets.empty());
  EXPECT_EQ(memory_.size(), 0u);
  EXPECT_EQ(device_.ReadBar0(PVSCHED_REG_STATUS, 4), 0u);
}

TEST_F(VfioUserSessionTest, ResetIsAcceptedWithAnyPayload) {
  Negotiate();
  EXPECT_EQ(Call(vfio_user::kReset, {}), 0);
  EXPECT_EQ(Call(vfio_user::kReset, Bytes(8)), 0);
}

TEST_F(VfioUserSessionTest, ResetWithdrawsRecordsAndKeepsMemory) {
  NegotiateAll();
  PutRecord(memfd_.get(), 0x1000, 0, kNonce);
  ASSERT_EQ(client_->Register(0, 0x1000), PVSCHED_RESULT_OK);
  client_->Write<uint16_t>(vfio_user::kConfig, PCI_COMMAND, PCI_COMMAND_MEMORY);
  EXPECT_EQ(Call(vfio_user::kReset, {}), 0);
  EXPECT_EQ(Call(vfio_user::kReset, {}), 0) << "a reboot resets twice";
  EXPECT_TRUE(sink_.offsets.empty());
  EXPECT_EQ(client_->Read32(PVSCHED_REG_STATUS), 0u);
  EXPECT_EQ(client_->Read<uint16_t>(vfio_user::kConfig, PCI_COMMAND), 0);
  client_->NegotiateFeatures();
  EXPECT_EQ(client_->Register(0, 0x1000), PVSCHED_RESULT_OK);
}

TEST_F(VfioUserSessionTest, FloodIsHandledInBoundedPortions) {
  Negotiate();
  Bytes flood;
  for (uint16_t i = 0; i < 200; ++i) {
    flood = flood + VfioUserTestClient::Message(
                        i, vfio_user::kRegionWrite,
                        VfioUserTestClient::AccessPayload(0, PVSCHED_REG_VCPU_SELECT, 4) +
                            ToBytes(uint32_t{i}),
                        vfio_user::kNoReply);
  }
  client_->SendRaw(flood);
  client_->Pump();
  EXPECT_LT(device_.ReadBar0(PVSCHED_REG_VCPU_SELECT, 4), 199u);
  for (int i = 0; i < 10; ++i) client_->Pump();
  EXPECT_EQ(device_.ReadBar0(PVSCHED_REG_VCPU_SELECT, 4), 199u);
}

// Well-framed messages with random payloads: each has a reply.
TEST_F(VfioUserSessionTest, RandomRequestsAreAllAnswered) {
  NegotiateAll();
  std::mt19937_64 random(2);
  for (int i = 0; i < 20'000; ++i) {
    Bytes payload(random() % 64);
    for (uint8_t& byte : payload) {
      byte = static_cast<uint8_t>(random() % 4 ? random() % 40 : random());
    }
    // Half of them have a plausible argsz and small values.
    if (payload.size() >= 4 && random() % 2) {
      const uint32_t argsz = static_cast<uint32_t>(16 + random() % 4 * 4);
      memcpy(payload.data(), &argsz, sizeof(argsz));
      for (size_t at = 5; at < payload.size(); at += random() % 3 + 1) payload[at] = 0;
    }
    // Reads below 64 KiB: the reply must fit into the socket's buffer.
    if (payload.size() >= 16) payload[14] = payload[15] = 0;
    const bool with_fd = random() % 4 == 0;
    const auto reply = client_->Call(static_cast<uint16_t>(2 + random() % 14), payload,
                                     with_fd ? std::vector<int>{memfd_.get()} : std::vector<int>{});
    ASSERT_GE(reply.error(), 0) << "step " << i << ": " << status_;
  }
}

}  // namespace
}  // namespace pvsched
