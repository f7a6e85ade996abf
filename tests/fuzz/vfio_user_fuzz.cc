// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// A vfio-user session: the messages of a VMM, and the guest's writes to its memory. Each message
// carries a memfd, an end of a closed pipe, several descriptors or none. After the session no
// record, no region and no descriptor is left.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/fd_passing.h"
#include "common/unique_fd.h"
#include "pvsched_abi.h"
#include "tests/fuzz/fuzz.h"
#include "vmm-device/device.h"
#include "vmm-device/memory_map.h"
#include "vmm-device/pci_config.h"
#include "vmm-device/vfio_user/protocol.h"
#include "vmm-device/vfio_user/server.h"

namespace pvsched {
namespace {

constexpr uint64_t kMemorySize = 1 << 20;
constexpr size_t kMaxPayload = 4 << 10;
constexpr int kReplies = 32 << 20;

// pvschedd, which refuses some records, and answers some requests late.
class FuzzSink : public RecordSink {
 public:
  absl::Status Register(uint32_t vcpu_id, const Registration& registration) override {
    Require(registration.record.length == PVSCHED_RECORD_SIZE, "a record has its size");
    Require(registration.record.fd >= 0, "a record has its memory");
    if (is_late) return absl::DeadlineExceededError("late");
    if (refuses) return absl::ResourceExhaustedError("full");
    records[vcpu_id] = registration.record.offset;
    return absl::OkStatus();
  }
  absl::Status Withdraw(uint32_t vcpu_id) override {
    if (is_late) return absl::DeadlineExceededError("late");
    records.erase(vcpu_id);
    return absl::OkStatus();
  }
  absl::Status WithdrawAll() override {
    if (is_late) return absl::DeadlineExceededError("late");
    records.clear();
    return absl::OkStatus();
  }

  std::map<uint32_t, uint64_t> records;
  bool refuses = false;
  bool is_late = false;
};

UniqueFd ClosedPipe() {
  std::array<int, 2> ends = {-1, -1};
  Require(pipe2(ends.data(), O_CLOEXEC) == 0, "a pipe can be made");
  close(ends[1]);
  return UniqueFd(ends[0]);
}

class Session {
 public:
  Session() {
    std::array<int, 2> ends = {-1, -1};
    Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0,
            "a socketpair can be made");
    // The client reads when the server has ended its work: all replies must have room.
    Require(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &kReplies, sizeof(kReplies)) == 0,
            "the target runs as root");
    client_.reset(ends[1]);
    server_ = std::make_unique<VfioUserServer>(UniqueFd(ends[0]), &device_, &config_, &memory_);
  }
  ~Session() {
    server_.reset();
    Require(memory_.size() == 0, "no region is left");
    Require(sink_.is_late || sink_.records.empty(), "no record is left");
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool is_open() const { return server_ != nullptr; }
  void Step(FuzzInput& input);

 private:
  std::vector<int> Descriptors(uint8_t kind) const;
  void Send(FuzzInput::Bytes bytes, const std::vector<int>& fds);
  void SendMessage(FuzzInput& input);
  void WriteRecord(FuzzInput& input) const;
  void Pump();

  UniqueFd client_;
  const UniqueFd guest_ = MakeMemory(kMemorySize);
  const UniqueFd pipe_ = ClosedPipe();
  FuzzSink sink_;
  MemoryMap memory_;
  PciConfig config_;
  Device device_{{}, &memory_, &sink_};
  std::unique_ptr<VfioUserServer> server_;
};

void Session::Step(FuzzInput& input) {
  switch (const auto step = input.Take<uint8_t>(); step % 8) {
    case 0: {
      const FuzzInput::Bytes bytes = input.Take(input.Take<uint8_t>());
      Send(bytes, Descriptors(input.Take<uint8_t>()));
      break;
    }
    case 1:
      WriteRecord(input);
      return;
    case 2:
      (void)ftruncate(guest_.get(), static_cast<off_t>(input.InRange(0, kMemorySize)));
      return;
    case 3:
      sink_.refuses = (step & 8) != 0;
      sink_.is_late = (step & 16) != 0;
      return;
    default:
      SendMessage(input);
  }
  Pump();
}

std::vector<int> Session::Descriptors(uint8_t kind) const {
  switch (kind % 8) {
    case 0:
      return {};
    case 1:
      return {pipe_.get()};
    case 2:
      return {guest_.get(), guest_.get()};
    case 3:
      return std::vector<int>(vfio_user::kMaxMessageFds + kind % 4, pipe_.get());
    default:
      return {guest_.get()};
  }
}

// Of a header that fits to its payload; another one needs step 0.
void Session::SendMessage(FuzzInput& input) {
  const auto kind = input.Take<uint8_t>();
  const auto command = input.Take<uint8_t>();
  const auto flags = input.Take<uint8_t>();
  const FuzzInput::Bytes payload = input.Take(input.InRange(0, kMaxPayload));
  const vfio_user::Header header = {
      .id = command,
      .command = command,
      .size = static_cast<uint32_t>(sizeof(vfio_user::Header) + payload.size()),
      .flags = flags,
      .error = 0};
  std::vector<uint8_t> message(header.size);
  memcpy(message.data(), &header, sizeof(header));
  if (!payload.empty()) memcpy(message.data() + sizeof(header), payload.data(), payload.size());
  Send(message, Descriptors(kind));
}

void Session::Send(FuzzInput::Bytes bytes, const std::vector<int>& fds) {
  if (!bytes.empty()) (void)SendWithFds(client_.get(), bytes.data(), bytes.size(), fds);
}

// As the guest's driver does, with any values in its variable fields.
void Session::WriteRecord(FuzzInput& input) const {
  pvsched_record record = {};
  record.magic = PVSCHED_MAGIC;
  record.version = PVSCHED_VERSION_MAJOR;
  record.size = PVSCHED_RECORD_SIZE;
  const uint64_t offset = input.InRange(0, 255) * PVSCHED_RECORD_SIZE;
  record.vcpu_id = input.Take<uint8_t>();
  record.nonce = input.Take<uint8_t>();
  record.preempt_count_addr = input.InRange(0, 0xffff);
  record.preempt_count_mask = input.Take<uint32_t>();
  (void)pwrite(guest_.get(), &record, sizeof(record), static_cast<off_t>(offset));
}

// Lets the server work until it has nothing to read, and checks its replies.
void Session::Pump() {
  const bool has_ended = !server_->HandleInput().ok();
  if (has_ended) server_.reset();
  vfio_user::Header header;
  std::vector<uint8_t> payload;
  while (recv(client_.get(), &header, sizeof(header), MSG_DONTWAIT) ==
         static_cast<ssize_t>(sizeof(header))) {
    Require(header.size >= sizeof(header) && header.size <= vfio_user::kMaxMessageSize,
            "a reply has a valid size");
    Require((header.flags & vfio_user::kTypeMask) == vfio_user::kTypeReply,
            "the server only replies");
    payload.resize(header.size - sizeof(header));
    if (payload.empty()) continue;
    Require(recv(client_.get(), payload.data(), payload.size(), MSG_DONTWAIT) ==
                static_cast<ssize_t>(payload.size()),
            "a reply is sent whole");
  }
}

}  // namespace
}  // namespace pvsched

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const pvsched::FdLeakCheck leak_check;
  pvsched::FuzzInput input(data, size);
  pvsched::Session session;
  while (session.is_open() && !input.is_empty()) session.Step(input);
  return 0;
}
