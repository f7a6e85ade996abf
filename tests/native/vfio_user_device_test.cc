// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The real pvsched-device, driven by a VMM's client and by command lines.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/pci_regs.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <thread>

#include "common/unix_socket.h"
#include "tests/native/vfio_user_process.h"
#include "tests/unit/vfio_user_test_client.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kNonce = 0x1234567812345678;

class VfioUserDeviceTest : public ::testing::Test {
 protected:
  std::unique_ptr<DeviceProcess> Start(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--socket", socket_, "--no-control"});
    return std::make_unique<DeviceProcess>(more, directory_.path() + "/log");
  }
  int Run(const std::vector<std::string>& args) {
    return DeviceProcess(args, directory_.path() + "/log").Wait();
  }
  std::string Log() {
    std::ifstream file(directory_.path() + "/log");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  VfioUserTestClient Connect() { return VfioUserTestClient(ConnectTo(socket_)); }

  const TemporaryDirectory directory_;
  const std::string socket_ = directory_.path() + "/vm.sock";
};

// Firmware remaps RAM below 1 MiB, and back.
void RemapAsFirmware(VfioUserTestClient& client, int memory) {
  EXPECT_EQ(client.DmaUnmap(0, 256 * kMiB), 0);
  EXPECT_EQ(client.DmaMap(0, 0xc0000, 0, memory), 0);
  EXPECT_EQ(client.DmaMap(0xc0000, 0x40000, 0, -1), 0);
  EXPECT_EQ(client.DmaMap(0x100000, 255 * kMiB, kMiB, memory), 0);
  EXPECT_EQ(client.DmaUnmap(0, 0xc0000), 0);
  EXPECT_EQ(client.DmaUnmap(0xc0000, 0x40000), 0);
  EXPECT_EQ(client.DmaUnmap(0x100000, 255 * kMiB), 0);
  EXPECT_EQ(client.DmaMap(0, 256 * kMiB, 0, memory), 0);
}

// The requests of QEMU 11.1 when it realizes vfio-user-pci and boots firmware, in
// QEMU's order, then those of a guest's driver.
TEST_F(VfioUserDeviceTest, QemusRealizeSequenceSucceeds) {
  const auto device = Start();
  const UniqueFd memory = MakeMemfd(256 * kMiB);
  auto client = Connect();
  ASSERT_EQ(client.Negotiate().error(), 0);

  // Two requests before the first reply; the second has no fd.
  client.Send(vfio_user::kDmaMap, ToBytes(vfio_user::DmaMap{32, 3, 0, 0, 256 * kMiB}),
              {memory.get()});
  client.Send(vfio_user::kDmaMap, ToBytes(vfio_user::DmaMap{32, 1, 0, 0xfffc0000, 0x40000}));
  EXPECT_EQ(client.Receive().error(), 0);
  EXPECT_EQ(client.Receive().error(), 0);

  const auto info =
      client.Call(vfio_user::kDeviceGetInfo, ToBytes(vfio_user::DeviceInfo{16, 0, 0, 0}));
  EXPECT_GE(info.As<vfio_user::DeviceInfo>().num_regions, 8u);
  EXPECT_GE(info.As<vfio_user::DeviceInfo>().num_irqs, 3u);
  for (const uint32_t region : {0, 1, 2, 3, 4, 5, 7}) {
    const auto reply =
        client.Call(vfio_user::kRegionInfo, ToBytes(vfio_user::RegionInfo{32, 0, region, 0, 0, 0}));
    EXPECT_EQ(reply.error(), 0);
  }
  EXPECT_EQ(client.Call(vfio_user::kIrqInfo, ToBytes(vfio_user::IrqInfo{16, 0, 3, 0})).error(), 0);
  const auto config = client.Call(vfio_user::kRegionRead,
                                  VfioUserTestClient::AccessPayload(vfio_user::kConfig, 0, 256));
  EXPECT_EQ(config.As<uint16_t>(16 + PCI_VENDOR_ID), PVSCHED_PCI_VENDOR_ID);
  EXPECT_EQ(config.As<uint16_t>(16 + PCI_DEVICE_ID), PVSCHED_PCI_DEVICE_ID);

  client.Write<uint32_t>(vfio_user::kConfig, PCI_ROM_ADDRESS, 0xfffff800);
  EXPECT_EQ(client.Read<uint32_t>(vfio_user::kConfig, PCI_ROM_ADDRESS), 0u);
  for (uint64_t bar = PCI_BASE_ADDRESS_0; bar <= PCI_BASE_ADDRESS_5; bar += 4) {
    EXPECT_EQ(client.Read<uint32_t>(vfio_user::kConfig, bar), 0u);
  }
  EXPECT_EQ(client.Read<uint8_t>(vfio_user::kConfig, PCI_INTERRUPT_PIN), 0);
  client.Write<uint16_t>(vfio_user::kConfig, PCI_COMMAND, 0);
  EXPECT_EQ(client.Call(vfio_user::kReset, {}).error(), 0);
  for (uint64_t bar = PCI_BASE_ADDRESS_0; bar <= PCI_BASE_ADDRESS_5; bar += 4) {
    client.Write<uint32_t>(vfio_user::kConfig, bar, 0);
  }

  for (int i = 0; i < 10; ++i) RemapAsFirmware(client, memory.get());

  client.Write<uint32_t>(vfio_user::kConfig, PCI_BASE_ADDRESS_0, 0xfebff000);
  client.Write<uint16_t>(vfio_user::kConfig, PCI_COMMAND, PCI_COMMAND_MEMORY);
  client.NegotiateFeatures();
  PutRecord(memory.get(), 200 * kMiB, 1, kNonce);
  EXPECT_EQ(client.Register(1, 200 * kMiB), PVSCHED_RESULT_OK);
  EXPECT_EQ(client.Read64(PVSCHED_REG_NONCE), kNonce);
  EXPECT_EQ(client.Read32(PVSCHED_REG_REGISTERED), 1u);

  client.Close();
  EXPECT_EQ(device->Wait(), 0) << device->Log();
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(VfioUserDeviceTest, RecordInPrivateMemoryIsABadRecord) {
  const auto device = Start();
  const UniqueFd memory = MakeMemfd(kMiB);
  auto client = Connect();
  client.Negotiate();
  ASSERT_EQ(client.DmaMap(0, kMiB, 0, memory.get()), 0);
  client.NegotiateFeatures();
  void* guest = mmap(nullptr, kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory.get(), 0);
  ASSERT_NE(guest, MAP_FAILED);
  auto* record = static_cast<pvsched_record*>(guest);
  record->magic = PVSCHED_MAGIC;
  record->version = PVSCHED_VERSION_MAJOR;
  record->size = PVSCHED_RECORD_SIZE;
  record->nonce = kNonce;
  EXPECT_EQ(client.Register(0, 0x0), PVSCHED_RESULT_OK) << "a withdrawal";
  EXPECT_EQ(client.Register(0, 0x1000), PVSCHED_RESULT_BAD_RECORD);
  EXPECT_EQ(client.Read64(PVSCHED_REG_NONCE), 0u);
  munmap(guest, kMiB);
}

TEST_F(VfioUserDeviceTest, SeccompFilterIsApplied) {
  if (PVSCHED_IS_SANITIZED) GTEST_SKIP() << "sanitizers need more system calls";
  const auto device = Start();
  auto client = Connect();
  client.Negotiate();
  EXPECT_EQ(device->Status("Seccomp"), 2);
  EXPECT_EQ(device->Status("NoNewPrivs"), 1);
}

TEST_F(VfioUserDeviceTest, SignalEndsTheProcessWithSuccess) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const auto device = Start();
    auto client = Connect();
    client.Negotiate();
    EXPECT_EQ(device->Stop(signal), 0);
    EXPECT_TRUE(client.Closed());
    EXPECT_FALSE(std::filesystem::exists(socket_));
  }
}

TEST_F(VfioUserDeviceTest, BrokenStreamEndsTheProcessWithAnError) {
  const auto device = Start();
  auto client = Connect();
  client.Negotiate();
  client.SendRaw(Bytes(16));
  EXPECT_EQ(device->Wait(), 1);
  EXPECT_THAT(device->Log(), HasSubstr("a message of 0 bytes"));
}

TEST_F(VfioUserDeviceTest, PersistServesOneVmAfterAnother) {
  const auto device = Start({"--persist"});
  const UniqueFd memory = MakeMemfd(kMiB);
  for (int i = 0; i < 3; ++i) {
    auto client = Connect();
    ASSERT_EQ(client.Negotiate().error(), 0);
    ASSERT_EQ(client.DmaMap(0, kMiB, 0, memory.get()), 0) << "the last client's memory is removed";
    client.NegotiateFeatures();
    EXPECT_EQ(client.Read32(PVSCHED_REG_REGISTERED), 0u);
    PutRecord(memory.get(), 0x1000, 0, kNonce);
    EXPECT_EQ(client.Register(0, 0x1000), PVSCHED_RESULT_OK);
  }
  EXPECT_EQ(device->Stop(SIGTERM), 0);
}

TEST_F(VfioUserDeviceTest, SecondClientIsRefused) {
  const auto device = Start();
  auto first = Connect();
  ASSERT_EQ(first.Negotiate().error(), 0);
  auto second = Connect();
  EXPECT_TRUE(second.Closed());
  EXPECT_EQ(first.Read32(PVSCHED_REG_MAGIC), PVSCHED_MAGIC);
}

TEST_F(VfioUserDeviceTest, ConnectionWithoutVersionIsNotAClient) {
  const auto device = Start();
  Connect().Close();
  auto client = Connect();
  EXPECT_EQ(client.Negotiate().error(), 0);
}

TEST_F(VfioUserDeviceTest, InheritedListeningSocketIsServedAndStays) {
  absl::StatusOr<UniqueFd> listener = ListenUnix(socket_, SOCK_STREAM);
  ASSERT_TRUE(listener.ok());
  fcntl(listener->get(), F_SETFD, 0);
  DeviceProcess device({"--fd", std::to_string(listener->get()), "--no-control"},
                       directory_.path() + "/log");
  {
    auto client = Connect();
    EXPECT_EQ(client.Negotiate().error(), 0);
  }
  EXPECT_EQ(device.Wait(), 0) << device.Log();
  EXPECT_TRUE(std::filesystem::exists(socket_));
}

TEST_F(VfioUserDeviceTest, InheritedConnectionIsServedUntilItCloses) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  fcntl(fds[1], F_SETFD, FD_CLOEXEC);
  DeviceProcess device({"--fd", std::to_string(fds[0]), "--no-control"},
                       directory_.path() + "/log");
  close(fds[0]);
  VfioUserTestClient client{UniqueFd(fds[1])};
  EXPECT_EQ(client.Negotiate().error(), 0);
  EXPECT_EQ(client.Read32(PVSCHED_REG_MAGIC), PVSCHED_MAGIC);
  client.Close();
  EXPECT_EQ(device.Wait(), 0) << device.Log();
}

TEST_F(VfioUserDeviceTest, SocketHasTheGroupAndModeThatWereAskedFor) {
  const auto device = Start({"--socket-mode", "0620", "--socket-group", std::to_string(getgid())});
  Connect();
  struct stat st{};
  ASSERT_EQ(stat(socket_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0620u);
  EXPECT_EQ(st.st_gid, getgid());
}

TEST_F(VfioUserDeviceTest, StaleSocketIsReplaced) {
  {
    const auto device = Start();
    Connect();
    device->Stop(SIGKILL);
  }
  ASSERT_TRUE(std::filesystem::exists(socket_));
  const auto device = Start();
  EXPECT_EQ(Connect().Negotiate().error(), 0);
}

TEST_F(VfioUserDeviceTest, SocketInUseIsKept) {
  const auto device = Start();
  {
    Connect();
  }
  EXPECT_EQ(Run({"--socket", socket_}), 1);
  EXPECT_THAT(Log(), HasSubstr("is in use"));
  EXPECT_EQ(Connect().Negotiate().error(), 0);
}

TEST_F(VfioUserDeviceTest, FileOtherThanASocketIsKept) {
  std::ofstream(socket_) << "precious";
  EXPECT_EQ(Run({"--socket", socket_}), 1);
  EXPECT_THAT(Log(), HasSubstr("is not a socket"));
  EXPECT_EQ(std::filesystem::file_size(socket_), 8u);
}

TEST_F(VfioUserDeviceTest, UsageErrorsExitWithTwo) {
  EXPECT_EQ(Run({}), 2);
  EXPECT_THAT(Log(), HasSubstr("--socket"));
  EXPECT_EQ(Run({"--socket"}), 2);
  EXPECT_EQ(Run({"--socket", socket_, "--max-vcpus", "0"}), 2);
  EXPECT_EQ(Run({"--socket", socket_, "--max-vcpus", "many"}), 2);
  EXPECT_EQ(Run({"--socket", socket_, "--log-level", "loud"}), 2);
  EXPECT_EQ(Run({"--socket", socket_, "--name", std::string(96, 'x')}), 2);
  EXPECT_EQ(Run({"--socket", socket_, "--no-control", "--control", "/x"}), 2);
  EXPECT_EQ(Run({"--socket", socket_, "--frobnicate"}), 2);
  EXPECT_EQ(Run({"--socket", socket_, "--fd", "0"}), 2);
  EXPECT_EQ(Run({"--socket", socket_, "--socket-mode", "0999"}), 2);
  EXPECT_EQ(Run({"--socket", socket_, "--socket-group", "no such group"}), 2);
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(VfioUserDeviceTest, FailuresExitWithOneAndAMessage) {
  EXPECT_EQ(Run({"--socket", directory_.path() + "/missing/vm.sock"}), 1);
  EXPECT_THAT(Log(), HasSubstr("missing/vm.sock"));
  EXPECT_EQ(Run({"--socket", std::string(200, 'x')}), 1);
  EXPECT_THAT(Log(), HasSubstr("must have 1 to 107 bytes"));
  EXPECT_EQ(Run({"--fd", "2"}), 1) << "a file";
}

TEST_F(VfioUserDeviceTest, HelpAndVersionExitWithZero) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(Log(), HasSubstr("vfio-user-pci"));
  EXPECT_EQ(Run({"--version"}), 0);
}

TEST_F(VfioUserDeviceTest, MaxVcpusLimitsApicIds) {
  const auto device = Start({"--max-vcpus", "2"});
  auto client = Connect();
  client.Negotiate();
  client.NegotiateFeatures();
  EXPECT_EQ(client.Read32(PVSCHED_REG_MAX_VCPUS), 2u);
  EXPECT_EQ(client.Register(2, 0x1000), PVSCHED_RESULT_BAD_VCPU);
}

// Sessions of random bytes, of well-framed random messages, and of broken ends.
TEST_F(VfioUserDeviceTest, RandomInputNeitherEndsTheProcessNorLeaksFds) {
  const auto device = Start({"--persist", "--log-level", "error"});
  const UniqueFd memory = MakeMemfd(kMiB);
  {
    auto client = Connect();
    ASSERT_EQ(client.Negotiate().error(), 0);
  }
  Connect().Negotiate();  // accepted once the first client is closed
  const int fds_before = device->CountFds();
  std::mt19937_64 random(3);
  for (int session = 0; session < 300; ++session) {
    auto client = Connect();
    if (random() % 4) client.Negotiate();
    const int messages = static_cast<int>(random() % 20);
    for (int i = 0; i < messages; ++i) {
      Bytes payload(random() % 80);
      for (uint8_t& byte : payload) byte = static_cast<uint8_t>(random() % 2 ? 0 : random());
      Bytes bytes = random() % 8
                        ? VfioUserTestClient::Message(static_cast<uint16_t>(i),
                                                      static_cast<uint16_t>(random() % 20), payload,
                                                      random() % 4 ? 0 : vfio_user::kNoReply)
                        : payload;
      if (bytes.empty()) continue;
      if (random() % 6 == 0) bytes[random() % bytes.size()] ^= static_cast<uint8_t>(random());
      client.SendRaw(bytes, random() % 3 ? std::vector<int>{}
                                         : std::vector<int>(random() % 18 + 1, memory.get()));
    }
    ASSERT_TRUE(device->Running()) << "session " << session << ": " << device->Log();
  }
  {
    auto client = Connect();
    ASSERT_EQ(client.Negotiate().error(), 0);
    EXPECT_EQ(client.Read32(PVSCHED_REG_MAGIC), PVSCHED_MAGIC);
  }
  Connect().Negotiate();
  EXPECT_TRUE(Eventually([&] { return device->CountFds() <= fds_before; }))
      << fds_before << " descriptors before, " << device->CountFds() << " after";
}

TEST_F(VfioUserDeviceTest, UnmapClosesFds) {
  const auto device = Start();
  const UniqueFd memory = MakeMemfd(kMiB);
  auto client = Connect();
  client.Negotiate();
  const int before = device->CountFds();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(client.DmaMap(0, kMiB, 0, memory.get()), 0);
    ASSERT_EQ(client.DmaMap(0, kMiB, 0, memory.get()), EEXIST);
    ASSERT_EQ(client.DmaUnmap(0, kMiB), 0);
  }
  EXPECT_EQ(device->CountFds(), before);
}

// As many regions as virtio-mem may make.
TEST_F(VfioUserDeviceTest, ResidentMemoryIsBelow20MiB) {
  if (PVSCHED_IS_SANITIZED) GTEST_SKIP() << "sanitizers need more memory";
  const auto device = Start();
  const UniqueFd memory = MakeMemfd(512 * kMiB);
  auto client = Connect();
  client.Negotiate();
  for (uint64_t i = 0; i < 65'535; ++i) {
    ASSERT_EQ(client.DmaMap(i * 4096, 4096, i * 4096, memory.get()), 0);
  }
  EXPECT_LE(device->CountFds(), 32);
  client.NegotiateFeatures();
  for (uint32_t id = 0; id < 64; ++id) {
    const uint64_t gpa = 0x1000 + id * PVSCHED_RECORD_SIZE;
    PutRecord(memory.get(), gpa, id, kNonce);
    ASSERT_EQ(client.Register(id, gpa), PVSCHED_RESULT_OK);
  }
  const int64_t kib = device->Status("VmRSS");
  RecordProperty("VmRSS_KiB", std::to_string(kib));
  EXPECT_LE(kib, 20 * 1024);
}

}  // namespace
}  // namespace pvsched
