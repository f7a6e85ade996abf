// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What pvsched-deviced and its devices read from processes that may be hostile.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/guest_record.h"
#include "vmm-device/device.h"
#include "vmm-device/durable/hand_over.h"
#include "vmm-device/durable/handed_over_fds.h"
#include "vmm-device/durable/state_file.h"
#include "vmm-device/durable/state_image.h"
#include "vmm-device/memory_map.h"
#include "vmm-device/pci_config.h"
#include "vmm-device/supervisor/kept_session.h"
#include "vmm-device/supervisor/vm_name.h"

namespace pvsched {
namespace {

std::string NameOf(std::initializer_list<std::string> words) {
  std::string text;
  for (const std::string& word : words) text.append(word).push_back('\0');
  return VmNameFromCommandLine(text, 42);
}

TEST(VmNameTest, IsQemusNameElseItsUuidElseThePid) {
  EXPECT_EQ(NameOf({"qemu", "-name", "web.1", "-m", "1G"}), "web.1");
  EXPECT_EQ(NameOf({"qemu", "-name", "guest=web,debug-threads=on"}), "web");
  EXPECT_EQ(NameOf({"qemu", "-name", "debug-threads=on,guest=web"}), "web");
  EXPECT_EQ(NameOf({"qemu", "--name", "web", "-uuid", "u-1"}), "web");
  EXPECT_EQ(NameOf({"qemu", "-name", "debug-threads=on", "-uuid", "u-1"}), "u-1");
  EXPECT_EQ(NameOf({"qemu", "-m", "1G"}), "vm-42");
  EXPECT_EQ(NameOf({"qemu", "-name"}), "vm-42");
  EXPECT_EQ(NameOf({"-name", "web"}), "vm-42") << "the program's own name is no option";
  EXPECT_EQ(VmNameFromCommandLine("", 42), "vm-42");
}

TEST(VmNameTest, HostileNameIsCleanAndBounded) {
  EXPECT_EQ(NameOf({"qemu", "-name", "guest=a,,b"}), "a_b") << "an escaped comma";
  EXPECT_EQ(NameOf({"qemu", "-name", "--help"}), "_-help");
  EXPECT_EQ(NameOf({"qemu", "-name", "../x"}), "_._x");
  EXPECT_EQ(NameOf({"qemu", "-name", "a\nb\033[2J$(id) c"}), "a_b__2J__id__c");
  EXPECT_EQ(NameOf({"qemu", "-name", std::string(1000, 'x')}), std::string(80, 'x'));
}

// A descriptor that a test can tell from others.
UniqueFd MakeFd() { return UniqueFd(memfd_create("kept", MFD_CLOEXEC)); }

TEST(KeptSessionTest, TakeSessionsReadsWhatNamedWrote) {
  KeptDescriptors fds{.socket = MakeFd(),
                      .state = MakeFd(),
                      .pipe_out = MakeFd(),
                      .pipe_in = MakeFd(),
                      .files = {}};
  fds.files[7] = MakeFd();
  fds.files[kRequestFile] = MakeFd();
  std::vector<std::pair<std::string, UniqueFd>> stored;
  for (const auto& [name, fd] : fds.Named(12, "web.1-2"))
    stored.emplace_back(name, UniqueFd(dup(fd)));
  EXPECT_EQ(stored.size(), 5u) << "without the descriptor of a request";
  auto sessions = TakeSessions(stored);
  ASSERT_EQ(sessions.size(), 1u);
  const KeptSession& session = sessions[12];
  EXPECT_EQ(session.vm_name, "web.1-2");
  EXPECT_TRUE(session.descriptors.is_complete());
  EXPECT_EQ(session.names.size(), 5u);
  EXPECT_TRUE(session.descriptors.files.contains(7));
}

TEST(KeptSessionTest, IncompleteSessionIsNamedAndOtherDescriptorsAreLeft) {
  std::vector<std::pair<std::string, UniqueFd>> stored;
  for (const char* name : {"pvsched-deviced.socket", "3.state", "3.file.99999", "3.vm.", "3.x"}) {
    stored.emplace_back(name, MakeFd());
  }
  auto sessions = TakeSessions(stored);
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].first, "pvsched-deviced.socket");
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_FALSE(sessions[3].descriptors.is_complete());
  EXPECT_TRUE(sessions[3].descriptors.files.empty());
  EXPECT_EQ(sessions[3].names.size(), 4u) << "all are removed from the store";
}

TEST(HandedOverFdsTest, ParseReadsWhatFormatWrote) {
  const HandedOverFds fds{
      .state = 5, .supervisor = 6, .pipe_out = 7, .pipe_in = 8, .files = {{0, 9}, {512, 10}}};
  const auto parsed = HandedOverFds::Parse(fds.Format());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->Format(), "5,6,7,8,0=9,512=10");
  for (const char* bad : {"", "1,2,3", "1,2,3,-4", "1,2,3,x", "1,2,3,4,", "1,2,3,4,5",
                          "1,2,3,4,513=5", "1,2,3,4,5=x", "1,2,3,4,5=6,5=7"}) {
    EXPECT_FALSE(HandedOverFds::Parse(bad).ok()) << bad;
  }
}

class NullSink : public RecordSink {
 public:
  absl::Status Register(uint32_t, const Registration&) override { return absl::OkStatus(); }
  absl::Status Withdraw(uint32_t) override { return absl::OkStatus(); }
  absl::Status WithdrawAll() override { return absl::OkStatus(); }
};

// An image that a test writes before a process restores it.
class StateFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fd_.reset(memfd_create("state", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(fd_.get(), sizeof(StateImage)), 0);
    image_ = static_cast<StateImage*>(
        mmap(nullptr, sizeof(StateImage), PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
    ASSERT_NE(image_, MAP_FAILED);
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    supervisor_.reset(ends[0]);
    messages_.reset(ends[1]);
    ASSERT_TRUE(Restore().ok()) << "a fresh image";
  }
  ~StateFileTest() override { munmap(image_, sizeof(StateImage)); }

  // As a new process.
  absl::Status Restore() {
    state_.reset();
    memory_ = std::make_unique<MemoryMap>();
    config_ = PciConfig();
    device_ = std::make_unique<Device>(Device::Options{}, memory_.get(), &sink_);
    auto state =
        StateFile::Open(fd_.get(), supervisor_.get(), device_.get(), &config_, memory_.get());
    if (!state.ok()) return state.status();
    state_ = *std::move(state);
    StateFile::Files files;
    files[0] = UniqueFd(dup(memfd_.get()));
    return state_->Restore(std::move(files));
  }
  SavedState& active() { return image_->states[Progress::Unpack(image_->progress).active]; }

  const UniqueFd memfd_ = MakeMemfd(1 << 20);
  UniqueFd fd_;
  UniqueFd supervisor_;
  UniqueFd messages_;
  StateImage* image_ = nullptr;
  NullSink sink_;
  PciConfig config_;
  std::unique_ptr<MemoryMap> memory_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<StateFile> state_;
};

TEST_F(StateFileTest, CommittedStateIsRestoredAndUncommittedStateIsNot) {
  constexpr MemoryMap::Access kAccess{.read = true, .write = true};
  ASSERT_TRUE(memory_->Add(0, 4096, 0, kAccess, UniqueFd(dup(memfd_.get()))).ok());
  device_->WriteBar0(PVSCHED_REG_VCPU_SELECT, 4, 7);
  state_->Commit(/*reply_size=*/0, /*is_negotiated=*/true);
  ASSERT_TRUE(memory_->Add(4096, 4096, 4096, kAccess, UniqueFd(dup(memfd_.get()))).ok());
  device_->WriteBar0(PVSCHED_REG_VCPU_SELECT, 4, 8);

  ASSERT_TRUE(Restore().ok());
  EXPECT_TRUE(state_->is_negotiated());
  EXPECT_EQ(device_->ReadBar0(PVSCHED_REG_VCPU_SELECT, 4), 7u);
  EXPECT_TRUE(memory_->Translate(0, 256).ok());
  EXPECT_EQ(memory_->size(), 1u);
}

TEST_F(StateFileTest, ChangeOfTheRegionTableSurvivesAnEndRightAfterTheCommit) {
  ASSERT_TRUE(
      memory_->Add(0, 4096, 0, {.read = true, .write = true}, UniqueFd(dup(memfd_.get()))).ok());
  state_->Commit(0, true);
  image_->regions[0].is_valid = 0;  // as if the process had ended before
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(memory_->size(), 1u);
}

TEST_F(StateFileTest, ImpossibleStateIsRefused) {
  const auto is_refused = [this](auto spoil) {
    const auto saved = std::make_unique<StateImage>(*image_);
    spoil();
    const bool is_error = !Restore().ok();
    *image_ = *saved;
    return is_error;
  };
  EXPECT_TRUE(is_refused([&] { image_->version = 99; }));
  EXPECT_TRUE(is_refused([&] { image_->progress = UINT64_MAX; }));
  EXPECT_TRUE(is_refused([&] { image_->progress = Progress{.position = 1, .peeked = 2}.Pack(); }));
  EXPECT_TRUE(is_refused([&] { active().num_records = kMaxSavedRecords + 1; }));
  EXPECT_TRUE(is_refused([&] { active().num_records = 1; })) << "without FEATURES_OK";
  EXPECT_TRUE(is_refused([&] { active().num_regions = MemoryMap::kMaxRegions + 1; }));
  EXPECT_TRUE(is_refused([&] { active().reply_size = UINT32_MAX; }));
  EXPECT_TRUE(is_refused([&] { active().status = UINT32_MAX; }));
  EXPECT_TRUE(is_refused([&] { active().result = 99; }));
  EXPECT_TRUE(is_refused([&] {
    active().num_regions = 1;
    image_->regions[0] = {.gpa = 1,
                          .size = 1,
                          .offset = 0,
                          .file = 0,
                          .can_read = 1,
                          .can_write = 1,
                          .is_valid = 1,
                          .reserved = 0};
  })) << "not aligned";
  EXPECT_TRUE(is_refused([&] {
    active().num_regions = 1;
    image_->regions[0] = {.gpa = 0,
                          .size = 4096,
                          .offset = 0,
                          .file = 77,
                          .can_read = 1,
                          .can_write = 1,
                          .is_valid = 1,
                          .reserved = 0};
  })) << "of no file";
  EXPECT_TRUE(Restore().ok()) << "the image as it was";
}

}  // namespace
}  // namespace pvsched
