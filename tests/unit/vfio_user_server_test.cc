// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <linux/pci_regs.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <optional>
#include <random>

#include "tests/unit/vfio_user_test_client.h"
#include "vmm-device/vfio_user/server.h"

namespace pvsched {
namespace {

using vfio_user::DeviceInfo;
using vfio_user::IrqInfo;
using vfio_user::RegionAccess;
using vfio_user::RegionInfo;
using vfio_user::SetIrqs;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kNonce = 0xabcdef0123456789;

// Remembers who has what.
class RememberingSink : public RecordSink {
 public:
  absl::Status Register(uint32_t vcpu, int, uint64_t offset, const Extras&) override {
    records[vcpu] = offset;
    return absl::OkStatus();
  }
  absl::Status Withdraw(uint32_t vcpu) override {
    records.erase(vcpu);
    return absl::OkStatus();
  }
  absl::Status WithdrawAll() override {
    records.clear();
    return absl::OkStatus();
  }

  std::map<uint32_t, uint64_t> records;
};

class VfioUserServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    server_.emplace(UniqueFd(fds[0]), &device_, &config_, &memory_);
    client_ = std::make_unique<VfioUserTestClient>(UniqueFd(fds[1]), [this] {
      if (!server_) return;
      status_ = server_->HandleInput();
      if (!status_.ok()) {
        server_.reset();  // as the daemon does
      }
    });
  }

  void Negotiate() { ASSERT_EQ(client_->Negotiate().error(), 0); }

  // With 4 MiB of memory at 0.
  void NegotiateAll() {
    Negotiate();
    memfd_ = MakeMemfd(4 * kMiB);
    ASSERT_EQ(client_->DmaMap(0, 4 * kMiB, 0, memfd_.get()), 0);
    client_->NegotiateFeatures();
  }

  int Call(uint16_t command, const Bytes& payload, const std::vector<int>& fds = {},
           uint32_t flags = 0) {
    return client_->Call(command, payload, fds, flags).error();
  }

  UniqueFd memfd_;
  RememberingSink sink_;
  MemoryMap memory_;
  PciConfig config_;
  Device device_{{}, &memory_, &sink_};
  std::optional<VfioUserServer> server_;
  std::unique_ptr<VfioUserTestClient> client_;
  absl::Status status_;
};

// --- negotiation

TEST_F(VfioUserServerTest, NothingButVersionComesFirst) {
  EXPECT_EQ(Call(vfio_user::kDeviceGetInfo, ToBytes(DeviceInfo{16, 0, 0, 0})), EINVAL);
  EXPECT_FALSE(server_);
  EXPECT_TRUE(client_->Closed());
}

TEST_F(VfioUserServerTest, AVersionThatIsRefusedEndsTheSession) {
  EXPECT_EQ(Call(vfio_user::kVersion, VfioUserTestClient::VersionPayload("{}", 5)), EINVAL);
  EXPECT_FALSE(server_);
}

TEST_F(VfioUserServerTest, VersionComesOnce) {
  Negotiate();
  EXPECT_EQ(client_->Negotiate().error(), EINVAL);
  EXPECT_TRUE(server_) << "the session goes on";
}

// --- what any request can have wrong

TEST_F(VfioUserServerTest, UnknownCommandsAreNotSupported) {
  Negotiate();
  for (const uint16_t command : {0, 6, 11, 12, 14, 15, 16, 17, 18, 19, 0xffff}) {
    EXPECT_EQ(Call(command, Bytes(32)), EOPNOTSUPP) << command;
  }
  EXPECT_TRUE(server_);
}

TEST_F(VfioUserServerTest, AnUnsolicitedReplyEndsTheSession) {
  Negotiate();
  client_->Send(vfio_user::kRegionRead, Bytes(16), {}, vfio_user::kTypeReply);
  client_->Pump();
  EXPECT_FALSE(server_);
  EXPECT_EQ(status_.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(VfioUserServerTest, ACommandWithAnErrorFlagIsRefused) {
  Negotiate();
  EXPECT_EQ(Call(vfio_user::kReset, {}, {}, vfio_user::kError), EINVAL);
}

TEST_F(VfioUserServerTest, APayloadThatIsTooShortIsRefused) {
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

TEST_F(VfioUserServerTest, NoReplyIsHonouredForSuccessAndError) {
  Negotiate();
  client_->Send(vfio_user::kReset, {}, {}, vfio_user::kNoReply);
  client_->Send(0xffff, {}, {}, vfio_user::kNoReply);
  client_->Send(vfio_user::kRegionWrite, {}, {}, vfio_user::kNoReply);
  client_->Pump();
  EXPECT_TRUE(client_->Quiet());
  EXPECT_TRUE(server_);
}

TEST_F(VfioUserServerTest, DescriptorsOfARefusedRequestAreClosed) {
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
  EXPECT_EQ(read(reader.get(), &byte, 1), 0) << "somebody still has the other end";
}

TEST_F(VfioUserServerTest, ADisconnectInMidMessageEndsTheSession) {
  NegotiateAll();
  PutRecord(memfd_.get(), 0x1000, 0, kNonce);
  ASSERT_EQ(client_->Register(0, 0x1000), PVSCHED_RESULT_OK);
  client_->SendRaw({1, 0, 9});
  client_->Close();
  client_->Pump();
  EXPECT_FALSE(server_);
  EXPECT_EQ(status_.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(sink_.records.empty());
}

TEST_F(VfioUserServerTest, ClientsThatLeaveTakeTheirRecordsAndMemoryAlong) {
  NegotiateAll();
  PutRecord(memfd_.get(), 0x1000, 3, kNonce);
  ASSERT_EQ(client_->Register(3, 0x1000), PVSCHED_RESULT_OK);
  EXPECT_EQ(sink_.records.size(), 1u);
  client_->Close();
  client_->Pump();
  EXPECT_EQ(status_.code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(sink_.records.empty());
  EXPECT_EQ(memory_.size(), 0u);
  EXPECT_EQ(device_.ReadBar0(PVSCHED_REG_STATUS, 4), 0u);
}

// --- device, region and interrupt information

TEST_F(VfioUserServerTest, DeviceInfoHasAllThatQemuInsistsOn) {
  Negotiate();
  for (const uint32_t argsz : {16u, 4096u}) {
    const auto reply =
        client_->Call(vfio_user::kDeviceGetInfo, ToBytes(DeviceInfo{argsz, 0, 0, 0}));
    ASSERT_EQ(reply.error(), 0);
    ASSERT_EQ(reply.payload.size(), sizeof(DeviceInfo));
    const auto info = reply.As<DeviceInfo>();
    EXPECT_EQ(info.argsz, 16u);
    EXPECT_EQ(info.flags, 3u);
    EXPECT_EQ(info.num_regions, 9u);
    EXPECT_EQ(info.num_irqs, 5u);
  }
  EXPECT_EQ(Call(vfio_user::kDeviceGetInfo, ToBytes(DeviceInfo{15, 0, 0, 0})), EINVAL);
}

TEST_F(VfioUserServerTest, RegionInfoShowsBar0AndConfigurationSpaceOnly) {
  Negotiate();
  for (uint32_t index = 0; index < 9; ++index) {
    const auto reply =
        client_->Call(vfio_user::kRegionInfo, ToBytes(RegionInfo{32, 0, index, 0, 0, 0}));
    ASSERT_EQ(reply.error(), 0);
    ASSERT_EQ(reply.payload.size(), sizeof(RegionInfo));
    const auto info = reply.As<RegionInfo>();
    const uint64_t size = index == 0 ? 4096 : index == 7 ? 256 : 0;
    EXPECT_EQ(info.argsz, 32u);
    EXPECT_EQ(info.index, index);
    EXPECT_EQ(info.size, size);
    EXPECT_EQ(info.flags, size ? 3u : 0u) << "readable and writable, not mappable";
    EXPECT_EQ(info.cap_offset, 0u);
  }
}

TEST_F(VfioUserServerTest, RegionInfoJudgesIndexAndArgsz) {
  Negotiate();
  EXPECT_EQ(Call(vfio_user::kRegionInfo, ToBytes(RegionInfo{32, 0, 9, 0, 0, 0})), EINVAL);
  EXPECT_EQ(Call(vfio_user::kRegionInfo, ToBytes(RegionInfo{32, 0, UINT32_MAX, 0, 0, 0})), EINVAL);
  EXPECT_EQ(Call(vfio_user::kRegionInfo, ToBytes(RegionInfo{31, 0, 0, 0, 0, 0})), EINVAL);
  const auto reply =
      client_->Call(vfio_user::kRegionInfo, ToBytes(RegionInfo{4096, 0, 0, 0, 0, 0}) + Bytes(64));
  EXPECT_EQ(reply.payload.size(), sizeof(RegionInfo)) << "there are no capabilities";
  EXPECT_EQ(reply.As<RegionInfo>().argsz, 32u);
}

TEST_F(VfioUserServerTest, ThereAreNoInterrupts) {
  Negotiate();
  for (uint32_t index = 0; index < 5; ++index) {
    const auto reply = client_->Call(vfio_user::kIrqInfo, ToBytes(IrqInfo{16, 0, index, 7}));
    ASSERT_EQ(reply.error(), 0);
    EXPECT_EQ(reply.As<IrqInfo>().count, 0u);
    EXPECT_EQ(reply.As<IrqInfo>().index, index);
  }
  EXPECT_EQ(Call(vfio_user::kIrqInfo, ToBytes(IrqInfo{16, 0, 5, 0})), EINVAL);
  EXPECT_EQ(Call(vfio_user::kIrqInfo, ToBytes(IrqInfo{15, 0, 0, 0})), EINVAL);
}

struct SetIrqsCase {
  const char* name;
  SetIrqs request;
  size_t extra_bytes;
  size_t fds;
  int error;
};

class VfioUserSetIrqsTest : public VfioUserServerTest,
                            public ::testing::WithParamInterface<SetIrqsCase> {};

TEST_P(VfioUserSetIrqsTest, IsJudged) {
  Negotiate();
  const UniqueFd fd = MakeMemfd(4096);
  const SetIrqsCase& c = GetParam();
  EXPECT_EQ(Call(vfio_user::kSetIrqs, ToBytes(c.request) + Bytes(c.extra_bytes),
                 std::vector<int>(c.fds, fd.get())),
            c.error);
  EXPECT_TRUE(server_);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, VfioUserSetIrqsTest,
    ::testing::Values(SetIrqsCase{"ArgszTooSmall", {19, 0x21, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"Disable", {20, 0x21, 2, 0, 0}, 0, 0, 0},
                      SetIrqsCase{"DisableEvery", {20, 0x21, 4, 0, 0}, 0, 0, 0},
                      SetIrqsCase{"BadIndex", {20, 0x21, 5, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"NoData", {20, 0x20, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"NoAction", {20, 0x01, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"TwoKindsOfData", {20, 0x23, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"TwoActions", {20, 0x31, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"UnknownFlag", {20, 0x61, 0, 0, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"StartBeyondEnd", {20, 0x21, 0, 1, 0}, 0, 0, EINVAL},
                      SetIrqsCase{"CountBeyondEnd", {20, 0x21, 0, 0, 1}, 0, 0, EINVAL},
                      SetIrqsCase{"CountOverflows", {20, 0x21, 0, 1, 0xffffffff}, 0, 0, EINVAL},
                      SetIrqsCase{"EnableByEventfd", {20, 0x24, 0, 0, 1}, 0, 1, EINVAL},
                      SetIrqsCase{"MoreFdsThanCount", {20, 0x24, 0, 0, 0}, 0, 1, EINVAL},
                      SetIrqsCase{"FdsWithNone", {20, 0x21, 0, 0, 0}, 0, 2, EINVAL},
                      SetIrqsCase{"FdsWithBool", {20, 0x22, 0, 0, 0}, 0, 1, EINVAL},
                      SetIrqsCase{"Bools", {21, 0x22, 0, 0, 1}, 1, 0, EINVAL},
                      SetIrqsCase{"BoolsMissing", {20, 0x22, 0, 0, 8}, 0, 0, EINVAL}),
    [](const auto& test_case) { return test_case.param.name; });

// --- memory

TEST_F(VfioUserServerTest, MapAndUnmapByExactMatch) {
  Negotiate();
  const UniqueFd fd = MakeMemfd(4 * kMiB);
  EXPECT_EQ(client_->DmaMap(0, kMiB, kMiB, fd.get()), 0);
  EXPECT_EQ(client_->DmaMap(0xfffc0000, 0x40000, 0, -1), 0) << "ROM comes without a descriptor";
  EXPECT_EQ(client_->DmaUnmap(0, 2 * kMiB), ENOENT);
  EXPECT_EQ(client_->DmaUnmap(4096, kMiB - 4096), ENOENT);
  const auto reply =
      client_->Call(vfio_user::kDmaUnmap, ToBytes(vfio_user::DmaUnmap{24, 0, 0, kMiB}));
  EXPECT_EQ(reply.error(), 0);
  EXPECT_EQ(reply.payload, ToBytes(vfio_user::DmaUnmap{24, 0, 0, kMiB})) << "is echoed";
  EXPECT_EQ(client_->DmaUnmap(0, kMiB), ENOENT);
  EXPECT_EQ(client_->DmaUnmap(0xfffc0000, 0x40000), 0);
}

TEST_F(VfioUserServerTest, UnmapAll) {
  Negotiate();
  const UniqueFd fd = MakeMemfd(4 * kMiB);
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, fd.get()), 0);
  EXPECT_EQ(client_->DmaMap(kMiB, kMiB, 0, fd.get()), 0);
  EXPECT_EQ(client_->DmaUnmap(0, kMiB, vfio_user::kUnmapAll), EINVAL) << "all has no address";
  EXPECT_EQ(memory_.size(), 2u);
  EXPECT_EQ(client_->DmaUnmap(0, 0, vfio_user::kUnmapAll), 0);
  EXPECT_EQ(memory_.size(), 0u);
}

TEST_F(VfioUserServerTest, BadMappingsAreAnsweredWithTheirErrors) {
  Negotiate();
  const UniqueFd fd = MakeMemfd(4 * kMiB);
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, fd.get(), /*flags=*/4), EINVAL);
  EXPECT_EQ(client_->DmaMap(0, 0, 0, fd.get()), EINVAL);
  EXPECT_EQ(client_->DmaMap(0, (uint64_t{8} << 40) + 4096, 0, -1), EINVAL) << "> 8 TiB";
  EXPECT_EQ(client_->DmaMap(UINT64_MAX - 4095, 8192, 0, -1), EINVAL) << "wraps around";
  EXPECT_EQ(client_->DmaMap(0, 8 * kMiB, 0, fd.get()), EINVAL) << "beyond the end of the file";
  EXPECT_EQ(client_->DmaUnmap(0, kMiB, /*flags=*/1), EINVAL);
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, fd.get()), 0);
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, fd.get()), EEXIST);
  EXPECT_EQ(
      Call(vfio_user::kDmaMap, ToBytes(vfio_user::DmaMap{31, 3, 0, 8 * kMiB, kMiB}), {fd.get()}),
      EINVAL);
  EXPECT_EQ(Call(vfio_user::kDmaMap, ToBytes(vfio_user::DmaMap{32, 3, 0, 8 * kMiB, kMiB}),
                 {fd.get(), fd.get()}),
            EINVAL);
  EXPECT_EQ(memory_.size(), 1u);
}

TEST_F(VfioUserServerTest, TheNumberOfMappingsIsLimited) {
  Negotiate();
  for (size_t i = 0; i < MemoryMap::kMaxRegions; ++i) {
    ASSERT_EQ(client_->DmaMap(i * 4096, 4096, 0, -1), 0);
  }
  EXPECT_EQ(client_->DmaMap(kMiB << 10, 4096, 0, -1), ENOSPC);
}

TEST_F(VfioUserServerTest, UnmappingWithdrawsTheRecordsInItAndMappingBringsThemBack) {
  NegotiateAll();
  PutRecord(memfd_.get(), 0x1000, 0, kNonce);
  ASSERT_EQ(client_->Register(0, 0x1000), PVSCHED_RESULT_OK);
  EXPECT_EQ(client_->DmaUnmap(0, 4 * kMiB), 0);
  EXPECT_TRUE(sink_.records.empty());
  // As firmware does: the same memory in pieces.
  EXPECT_EQ(client_->DmaMap(0, kMiB, 0, memfd_.get()), 0);
  EXPECT_EQ(client_->DmaMap(kMiB, 3 * kMiB, kMiB, memfd_.get()), 0);
  EXPECT_EQ(sink_.records.size(), 1u);
  EXPECT_EQ(client_->Read32(PVSCHED_REG_REGISTERED), 1u);
}

// --- regions

TEST_F(VfioUserServerTest, Bar0IsTheDevice) {
  NegotiateAll();
  EXPECT_EQ(client_->Read32(PVSCHED_REG_MAGIC), PVSCHED_MAGIC);
  EXPECT_EQ(client_->Read64(PVSCHED_REG_MAGIC), uint64_t{PVSCHED_VERSION} << 32 | PVSCHED_MAGIC);
  EXPECT_EQ(client_->Read<uint8_t>(vfio_user::kBar0, 3), PVSCHED_MAGIC >> 24);
  PutRecord(memfd_.get(), 0x2000, 5, kNonce);
  EXPECT_EQ(client_->Register(5, 0x2000), PVSCHED_RESULT_OK);
  EXPECT_EQ(client_->Read64(PVSCHED_REG_NONCE), kNonce);
  EXPECT_EQ(sink_.records[5], 0x2000u);
}

TEST_F(VfioUserServerTest, ALongReadOfBar0IsTheSameAsManyShortOnes) {
  Negotiate();
  const auto reply = client_->Call(vfio_user::kRegionRead,
                                   VfioUserTestClient::AccessPayload(vfio_user::kBar0, 1, 4095));
  ASSERT_EQ(reply.payload.size(), sizeof(RegionAccess) + 4095);
  EXPECT_EQ(reply.As<uint32_t>(sizeof(RegionAccess) + PVSCHED_REG_VERSION - 1), PVSCHED_VERSION);
  EXPECT_EQ(reply.As<uint8_t>(sizeof(RegionAccess)), PVSCHED_MAGIC >> 8 & 0xff);
}

TEST_F(VfioUserServerTest, OddWritesToBar0AreAnsweredAndChangeNothing) {
  NegotiateAll();
  const uint32_t status = client_->Read32(PVSCHED_REG_STATUS);
  for (const uint32_t count : {1u, 2u, 3u, 5u, 16u, 4096u}) {
    const auto reply = client_->Call(
        vfio_user::kRegionWrite,
        VfioUserTestClient::AccessPayload(vfio_user::kBar0, PVSCHED_REG_STATUS, count) +
            Bytes(count));
    EXPECT_EQ(reply.error(), 0);
    EXPECT_EQ(reply.payload.size(), sizeof(RegionAccess));
  }
  EXPECT_EQ(client_->Read32(PVSCHED_REG_STATUS), status);
}

TEST_F(VfioUserServerTest, PostedWritesAreNeverAnswered) {
  Negotiate();
  client_->Write32(PVSCHED_REG_VCPU_SELECT, 3);
  EXPECT_TRUE(client_->Quiet());
  EXPECT_EQ(client_->Read32(PVSCHED_REG_VCPU_SELECT), 3u);
}

TEST_F(VfioUserServerTest, BarSizingByConfigurationSpaceWorks) {
  Negotiate();
  client_->Write<uint32_t>(vfio_user::kConfig, PCI_BASE_ADDRESS_0, 0xffffffff);
  EXPECT_EQ(client_->Read<uint32_t>(vfio_user::kConfig, PCI_BASE_ADDRESS_0), 0xfffff000u);
}

TEST_F(VfioUserServerTest, AllOfConfigurationSpaceCanBeReadAtOnce) {
  Negotiate();
  const auto reply = client_->Call(vfio_user::kRegionRead,
                                   VfioUserTestClient::AccessPayload(vfio_user::kConfig, 0, 4096));
  ASSERT_EQ(reply.error(), 0);
  ASSERT_EQ(reply.payload.size(), sizeof(RegionAccess) + 4096);
  EXPECT_EQ(reply.As<uint16_t>(sizeof(RegionAccess) + PCI_DEVICE_ID), PVSCHED_PCI_DEVICE_ID);
  EXPECT_EQ(reply.As<uint32_t>(sizeof(RegionAccess) + 0x100), 0xffffffffu);
}

// Some clients don't look at the error flag: what is well-formed succeeds.
TEST_F(VfioUserServerTest, RegionsOfSizeZeroReadAsOnesAndWriteNowhere) {
  Negotiate();
  for (const uint32_t region : {1, 2, 3, 4, 5, 6, 8}) {
    EXPECT_EQ(client_->Read<uint32_t>(region, 0), 0xffffffffu);
    EXPECT_EQ(
        Call(vfio_user::kRegionWrite, VfioUserTestClient::AccessPayload(region, 0, 4) + Bytes(4)),
        0);
  }
  EXPECT_EQ(client_->Read<uint32_t>(vfio_user::kBar0, PVSCHED_BAR0_SIZE), 0xffffffffu);
}

TEST_F(VfioUserServerTest, BadAccessesAreRefused) {
  Negotiate();
  const auto read = [&](uint32_t region, uint64_t offset, uint32_t count) {
    return Call(vfio_user::kRegionRead, VfioUserTestClient::AccessPayload(region, offset, count));
  };
  const auto write = [&](uint32_t region, uint64_t offset, uint32_t count, size_t bytes) {
    return Call(vfio_user::kRegionWrite,
                VfioUserTestClient::AccessPayload(region, offset, count) + Bytes(bytes));
  };
  EXPECT_EQ(read(9, 0, 4), EINVAL);
  EXPECT_EQ(read(0, UINT64_MAX, 2), EINVAL) << "wraps around";
  EXPECT_EQ(read(0, 0, 0), EINVAL);
  EXPECT_EQ(read(0, 0, (1 << 20) + 1), EINVAL);
  EXPECT_EQ(write(9, 0, 4, 4), EINVAL);
  EXPECT_EQ(write(0, UINT64_MAX - 2, 4, 4), EINVAL);
  EXPECT_EQ(write(0, 0, 0, 0), EINVAL);
  EXPECT_EQ(write(0, 0, 4, 3), EINVAL) << "short";
  EXPECT_EQ(write(0, 0, 4, 5), EINVAL) << "long";
  EXPECT_EQ(write(0, 0, UINT32_MAX, 4), EINVAL);
  EXPECT_TRUE(server_);
}

TEST_F(VfioUserServerTest, ResetIsAlwaysAccepted) {
  Negotiate();
  EXPECT_EQ(Call(vfio_user::kReset, {}), 0);
  EXPECT_EQ(Call(vfio_user::kReset, Bytes(8)), 0);
}

TEST_F(VfioUserServerTest, ResetWithdrawsRecordsAndKeepsMemory) {
  NegotiateAll();
  PutRecord(memfd_.get(), 0x1000, 0, kNonce);
  ASSERT_EQ(client_->Register(0, 0x1000), PVSCHED_RESULT_OK);
  client_->Write<uint16_t>(vfio_user::kConfig, PCI_COMMAND, PCI_COMMAND_MEMORY);
  EXPECT_EQ(Call(vfio_user::kReset, {}), 0);
  EXPECT_EQ(Call(vfio_user::kReset, {}), 0) << "a reboot sends two";
  EXPECT_TRUE(sink_.records.empty());
  EXPECT_EQ(client_->Read32(PVSCHED_REG_STATUS), 0u);
  EXPECT_EQ(client_->Read<uint16_t>(vfio_user::kConfig, PCI_COMMAND), 0);
  client_->NegotiateFeatures();
  EXPECT_EQ(client_->Register(0, 0x1000), PVSCHED_RESULT_OK);
}

// --- all at once

TEST_F(VfioUserServerTest, AFloodIsHandledInPortions) {
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

// Well-framed messages with senseless insides: an answer to each, no crash.
TEST_F(VfioUserServerTest, SenselessRequestsAreAllAnswered) {
  NegotiateAll();
  std::mt19937_64 random(2);
  for (int i = 0; i < 20'000; ++i) {
    Bytes payload(random() % 64);
    for (uint8_t& byte : payload) {
      byte = static_cast<uint8_t>(random() % 4 ? random() % 40 : random());
    }
    // Often a plausible argsz, small numbers else.
    if (payload.size() >= 4 && random() % 2) {
      const uint32_t argsz = static_cast<uint32_t>(16 + random() % 4 * 4);
      memcpy(payload.data(), &argsz, sizeof(argsz));
      for (size_t at = 5; at < payload.size(); at += random() % 3 + 1) payload[at] = 0;
    }
    // Reads of less than 64 KiB: nobody empties the socket while it is answered.
    if (payload.size() >= 16) payload[14] = payload[15] = 0;
    const bool with_fd = random() % 4 == 0;
    const auto reply = client_->Call(static_cast<uint16_t>(2 + random() % 14), payload,
                                     with_fd ? std::vector<int>{memfd_.get()} : std::vector<int>{});
    ASSERT_GE(reply.error(), 0) << "step " << i << ": " << status_;
  }
}

}  // namespace
}  // namespace pvsched
