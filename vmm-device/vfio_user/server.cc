// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/vfio_user/server.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "vmm-device/vfio_user/connection.h"
#include "vmm-device/vfio_user/protocol.h"
#include "vmm-device/vfio_user/version.h"

namespace pvsched {
namespace {

using vfio_user::DeviceInfo;
using vfio_user::DmaMap;
using vfio_user::DmaUnmap;
using vfio_user::IrqInfo;
using vfio_user::RegionAccess;
using vfio_user::RegionInfo;
using vfio_user::SetIrqs;

using Bytes = absl::Span<const uint8_t>;
using Payload = std::vector<uint8_t>;

// Limits the messages that one HandleInput() handles. Under a flood, the event
// loop thus still handles signals and pvschedd's replies.
constexpr int kMaxMessagesPerCall = 64;

template <typename T>
absl::StatusOr<T> Parse(Bytes bytes) {
  if (bytes.size() < sizeof(T))
    return absl::InvalidArgumentError("the request is shorter than its fixed part");
  T value;
  memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// As Parse, for requests that start with argsz, the client's room for the reply.
template <typename T>
absl::StatusOr<T> ParseWithArgsz(Bytes bytes) {
  absl::StatusOr<T> value = Parse<T>(bytes);
  if (value.ok() && value->argsz < sizeof(T)) {
    return absl::InvalidArgumentError(
        absl::StrCat("argsz is ", value->argsz, ", at least ", sizeof(T), " is needed"));
  }
  return value;
}

template <typename T>
Payload ToPayload(const T& value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  return Payload(bytes, bytes + sizeof(T));
}

absl::StatusOr<Payload> GetDeviceInfo(Bytes request) {
  RETURN_IF_ERROR(ParseWithArgsz<DeviceInfo>(request).status());
  return ToPayload(DeviceInfo{.argsz = sizeof(DeviceInfo),
                              .flags = vfio_user::kDeviceReset | vfio_user::kDevicePci,
                              .num_regions = vfio_user::kNumRegions,
                              .num_irqs = vfio_user::kNumIrqs});
}

// No region has capabilities, so the reply fits into any valid argsz.
absl::StatusOr<Payload> GetRegionInfo(Bytes request) {
  ASSIGN_OR_RETURN(const RegionInfo info, ParseWithArgsz<RegionInfo>(request));
  if (info.index >= vfio_user::kNumRegions) {
    return absl::InvalidArgumentError(absl::StrCat("no region has index ", info.index));
  }
  RegionInfo reply{};
  reply.argsz = sizeof(RegionInfo);
  reply.index = info.index;
  if (info.index == vfio_user::kBar0) reply.size = PVSCHED_BAR0_SIZE;
  if (info.index == vfio_user::kConfig) reply.size = PciConfig::kSize;
  if (reply.size > 0) reply.flags = vfio_user::kRegionReadable | vfio_user::kRegionWritable;
  return ToPayload(reply);
}

absl::StatusOr<Payload> GetIrqInfo(Bytes request) {
  ASSIGN_OR_RETURN(const IrqInfo info, ParseWithArgsz<IrqInfo>(request));
  if (info.index >= vfio_user::kNumIrqs) {
    return absl::InvalidArgumentError(absl::StrCat("no interrupt type has index ", info.index));
  }
  return ToPayload(IrqInfo{.argsz = sizeof(IrqInfo), .flags = 0, .index = info.index, .count = 0});
}

// The device has no interrupts, so a client can only disable them.
absl::StatusOr<Payload> SetInterrupts(Bytes request, size_t num_fds) {
  ASSIGN_OR_RETURN(const SetIrqs set, ParseWithArgsz<SetIrqs>(request));
  const uint32_t data = set.flags & vfio_user::kIrqDataMask;
  const uint32_t action = set.flags & vfio_user::kIrqActionMask;
  if (data == 0 || (data & (data - 1)) || action == 0 || (action & (action - 1)) ||
      (set.flags & ~(vfio_user::kIrqDataMask | vfio_user::kIrqActionMask))) {
    return absl::InvalidArgumentError("SET_IRQS needs one kind of data and one action");
  }
  if (set.index >= vfio_user::kNumIrqs) {
    return absl::InvalidArgumentError(absl::StrCat("no interrupt type has index ", set.index));
  }
  if (set.start != 0 || set.count != 0 || num_fds != 0) {
    return absl::InvalidArgumentError("the device has no interrupts");
  }
  return Payload{};
}

absl::StatusOr<RegionAccess> ParseAccess(Bytes request) {
  ASSIGN_OR_RETURN(const RegionAccess access, Parse<RegionAccess>(request));
  if (access.region >= vfio_user::kNumRegions) {
    return absl::InvalidArgumentError(absl::StrCat("no region has index ", access.region));
  }
  if (access.count == 0 || access.count > vfio_user::kMaxDataSize) {
    return absl::InvalidArgumentError(absl::StrCat("an access of ", access.count, " bytes: 1 to ",
                                                   vfio_user::kMaxDataSize, " are possible"));
  }
  if (access.offset + (access.count - 1) < access.offset) {
    return absl::InvalidArgumentError("an access that overflows 64 bits");
  }
  return access;
}

}  // namespace

VfioUserServer::VfioUserServer(UniqueFd socket, Device* device, PciConfig* config,
                               MemoryMap* memory, std::function<void()> on_negotiated)
    : VfioUserServer(std::make_unique<VfioUserConnection>(std::move(socket)),
                     /*is_negotiated=*/false, device, config, memory, std::move(on_negotiated)) {}

VfioUserServer::VfioUserServer(std::unique_ptr<VfioUserChannel> channel, bool is_negotiated,
                               Device* device, PciConfig* config, MemoryMap* memory,
                               std::function<void()> on_negotiated)
    : channel_(std::move(channel)),
      device_(device),
      config_(config),
      memory_(memory),
      on_negotiated_(std::move(on_negotiated)),
      negotiated_(is_negotiated) {}

VfioUserServer::~VfioUserServer() {
  ResetDevice();
  memory_->RemoveAll();
}

void VfioUserServer::ResetDevice() {
  if (!device_->Reset()) {
    LOG(WARNING) << "device reset while the host may still access the records";
  }
  config_->Reset();
}

absl::Status VfioUserServer::HandleInput() {
  for (int i = 0; i < kMaxMessagesPerCall; ++i) {
    ASSIGN_OR_RETURN(std::optional<Message> message, channel_->Receive());
    if (!message) break;
    RETURN_IF_ERROR(Handle(*message));
  }
  return absl::OkStatus();
}

absl::Status VfioUserServer::Handle(Message& message) {
  const vfio_user::Header header = message.header;
  // The server sends no requests, so it gets no replies.
  if ((header.flags & vfio_user::kTypeMask) != vfio_user::kTypeCommand) {
    return absl::InvalidArgumentError("a message that is not a command");
  }

  const bool was_negotiated = negotiated_;
  const absl::StatusOr<Payload> payload = Dispatch(message);
  if (!payload.ok()) {
    LOG_EVERY_N_SEC(WARNING, 1) << "vfio-user command " << header.command
                                << " failed: " << payload.status().message();
  }
  if (header.flags & vfio_user::kNoReply) {
    RETURN_IF_ERROR(channel_->FinishWithoutReply());
  } else if (payload.ok()) {
    RETURN_IF_ERROR(channel_->Reply(header, *payload));
  } else {
    RETURN_IF_ERROR(channel_->ReplyError(header, StatusToErrno(payload.status())));
  }
  // The session ends if the first command does not negotiate a version.
  if (!was_negotiated && !payload.ok()) return payload.status();
  return absl::OkStatus();
}

// Descriptors that a command does not use are closed with the message.
absl::StatusOr<VfioUserServer::Payload> VfioUserServer::Dispatch(Message& message) {
  const Bytes request = message.payload;
  const uint16_t command = message.header.command;
  if (message.header.flags & vfio_user::kError) {
    return absl::InvalidArgumentError("a command with an error flag");
  }
  if ((command == vfio_user::kVersion) == negotiated_) {
    return absl::InvalidArgumentError("VERSION must be the first command, and come once");
  }

  switch (command) {
    case vfio_user::kVersion:
      return NegotiateVersion(request);
    case vfio_user::kDmaMap:
      return MapMemory(request, message.fds);
    case vfio_user::kDmaUnmap:
      return UnmapMemory(request);
    case vfio_user::kDeviceGetInfo:
      return GetDeviceInfo(request);
    case vfio_user::kRegionInfo:
      return GetRegionInfo(request);
    case vfio_user::kIrqInfo:
      return GetIrqInfo(request);
    case vfio_user::kSetIrqs:
      return SetInterrupts(request, message.fds.size());
    case vfio_user::kRegionRead:
      return ReadRegion(request);
    case vfio_user::kRegionWrite:
      return WriteRegion(request);
    case vfio_user::kReset:
      ResetDevice();
      return Payload{};
    default:
      return absl::UnimplementedError("unknown command");
  }
}

absl::StatusOr<Payload> VfioUserServer::NegotiateVersion(Bytes request) {
  absl::StatusOr<Payload> reply = AnswerVersion(request);
  negotiated_ = reply.ok();
  if (negotiated_) on_negotiated_();
  return reply;
}

absl::StatusOr<Payload> VfioUserServer::MapMemory(Bytes request, std::vector<UniqueFd>& fds) {
  ASSIGN_OR_RETURN(const DmaMap map, ParseWithArgsz<DmaMap>(request));
  if (map.flags & ~(vfio_user::kDmaRead | vfio_user::kDmaWrite)) {
    return absl::InvalidArgumentError(absl::StrCat("DMA_MAP flags 0x", absl::Hex(map.flags)));
  }
  if (fds.size() > 1) return absl::InvalidArgumentError("DMA_MAP with more than one descriptor");
  UniqueFd fd = fds.empty() ? UniqueFd() : std::move(fds[0]);
  VLOG(1) << "memory 0x" << absl::Hex(map.address) << " + 0x" << absl::Hex(map.size)
          << (fd ? " at offset 0x" : " without a file 0x") << absl::Hex(map.offset);
  RETURN_IF_ERROR(memory_->Add(map.address, map.size, map.offset,
                               {.read = (map.flags & vfio_user::kDmaRead) != 0,
                                .write = (map.flags & vfio_user::kDmaWrite) != 0},
                               std::move(fd)));
  device_->OnMemoryAdded();
  return Payload{};
}

absl::StatusOr<Payload> VfioUserServer::UnmapMemory(Bytes request) {
  ASSIGN_OR_RETURN(const DmaUnmap unmap, ParseWithArgsz<DmaUnmap>(request));
  if (unmap.flags == vfio_user::kUnmapAll) {
    if (unmap.address != 0 || unmap.size != 0) {
      return absl::InvalidArgumentError("DMA_UNMAP of all regions with an address or size");
    }
    device_->OnMemoryRemoving(0, UINT64_MAX);
    memory_->RemoveAll();
  } else if (unmap.flags == 0) {
    if (!memory_->Contains(unmap.address, unmap.size)) {
      return absl::NotFoundError("DMA_UNMAP of a region that is not mapped");
    }
    device_->OnMemoryRemoving(unmap.address, unmap.size);
    RETURN_IF_ERROR(memory_->Remove(unmap.address, unmap.size));
  } else {
    return absl::InvalidArgumentError(absl::StrCat("DMA_UNMAP flags 0x", absl::Hex(unmap.flags)));
  }
  return ToPayload(unmap);
}

// A well-formed access beyond a region reads ones and writes nothing, as on a
// bus. Not every client checks the error flag.
absl::StatusOr<Payload> VfioUserServer::ReadRegion(Bytes request) {
  ASSIGN_OR_RETURN(const RegionAccess access, ParseAccess(request));
  Payload reply = ToPayload(access);
  reply.resize(sizeof(RegionAccess) + access.count, 0xff);
  uint8_t* const data = reply.data() + sizeof(RegionAccess);

  if (access.region == vfio_user::kConfig) {
    config_->Read(access.offset, data, access.count);
  } else if (access.region == vfio_user::kBar0) {
    for (size_t done = 0; done < access.count && access.offset + done < PVSCHED_BAR0_SIZE;) {
      const uint64_t offset = access.offset + done;
      size_t width = 8;
      while (offset % width != 0 || width > access.count - done) width /= 2;
      const uint64_t value = device_->ReadBar0(offset, width);
      memcpy(data + done, &value, width);
      done += width;
    }
  }
  return reply;
}

absl::StatusOr<Payload> VfioUserServer::WriteRegion(Bytes request) {
  ASSIGN_OR_RETURN(const RegionAccess access, ParseAccess(request));
  const Bytes data = request.subspan(sizeof(RegionAccess));
  if (data.size() != access.count) {
    return absl::InvalidArgumentError(
        absl::StrCat("a write of ", access.count, " bytes with ", data.size(), " bytes of data"));
  }
  if (access.region == vfio_user::kConfig) {
    config_->Write(access.offset, data.data(), data.size());
  } else if (access.region == vfio_user::kBar0) {
    uint64_t value = 0;
    if (data.size() <= sizeof(value)) memcpy(&value, data.data(), data.size());
    device_->WriteBar0(access.offset, data.size(), value);
  }
  return ToPayload(access);
}

}  // namespace pvsched
