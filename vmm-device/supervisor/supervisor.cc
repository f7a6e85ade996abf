// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/supervisor/supervisor.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/log/log.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/peer.h"
#include "common/pidfd.h"
#include "vmm-device/supervisor/vm_name.h"

namespace pvsched {
namespace {

// Devices that handle a request when this process ends get so long to finish it.
constexpr std::chrono::milliseconds kTimeToEnd{500};

}  // namespace

Supervisor::~Supervisor() {
  sessions_.clear();
  if (listener_) loop_->Remove(listener_.get());
}

absl::Status Supervisor::Listen(UniqueFd listener) {
  listener_ = std::move(listener);
  return loop_->Add(listener_.get(), [this] { Accept(); });
}

void Supervisor::Accept() {
  UniqueFd socket = acceptor_.Accept(listener_.get(), /*flags=*/0);
  if (!socket) return;
  const absl::StatusOr<Peer> peer = GetPeer(socket.get());
  if (!peer.ok()) {
    LOG_EVERY_N_SEC(WARNING, 1) << "refused a connection: " << peer.status().message();
    return;
  }
  if (!HasRoomFor(peer->uid)) {
    LOG_EVERY_N_SEC(WARNING, 1) << "no room now for a VM of user " << peer->uid << ", who has "
                                << CountOf(peer->uid) << ": at most " << kMaxSessions
                                << " VMs in all and " << options_.max_user_vms
                                << " of one user (--max-user-vms) are possible";
    return;
  }
  const std::string name = ReadVmName(peer->pid);
  // Only now is it certain that /proc showed this process.
  if (HasEnded(peer->pidfd.get())) return;
  KeptDescriptors fds;
  fds.socket = std::move(socket);
  const absl::Status status =
      StartSession(std::move(fds), peer->uid, next_id_++, MakeUnique(name, peer->uid));
  if (!status.ok()) {
    LOG_EVERY_N_SEC(ERROR, 1) << "VM " << name << ": cannot start a device: " << status.message();
    return;
  }
  LOG_EVERY_N_SEC(INFO, 1) << "VM " << name << " of user " << peer->uid << " has connected";
}

void Supervisor::Continue(std::map<uint64_t, KeptSession> sessions) {
  for (auto& [id, kept] : sessions) {
    next_id_ = std::max(next_id_, id + 1);
    const std::vector<std::string> names = kept.names;
    for (const std::string& name : names) store_.Adopt(name);
    const std::string vm = kept.vm_name;
    const absl::Status status = ContinueSession(id, std::move(kept));
    if (status.ok()) {
      LOG_EVERY_N_SEC(INFO, 1) << "VM " << vm << ": its session continues";
      continue;
    }
    LOG_EVERY_N_SEC(WARNING, 1) << "VM " << vm
                                << ": its session cannot continue: " << status.message();
    for (const std::string& name : names) store_.Forget(name);
  }
}

absl::Status Supervisor::ContinueSession(uint64_t id, KeptSession kept) {
  if (!kept.descriptors.is_complete()) {
    return absl::NotFoundError("pvsched-deviced ended while the session began or ended");
  }
  ASSIGN_OR_RETURN(const Peer peer, GetPeer(kept.descriptors.socket.get()));
  return StartSession(std::move(kept.descriptors), peer.uid, id,
                      MakeUnique(kept.vm_name, peer.uid));
}

bool Supervisor::LeaveSessions() {
  if (!store_.is_available()) return false;
  for (const auto& [id, session] : sessions_) session->AskDeviceToEnd();
  const auto deadline = std::chrono::steady_clock::now() + kTimeToEnd;
  for (const auto& [id, session] : sessions_) session->AwaitDeviceEnd(deadline);
  store_.Flush();
  return true;
}

size_t Supervisor::CountOf(uid_t uid) const {
  return static_cast<size_t>(std::ranges::count_if(
      sessions_, [uid](const auto& entry) { return entry.second->uid() == uid; }));
}

bool Supervisor::HasRoomFor(uid_t uid) const {
  return sessions_.size() < kMaxSessions && (uid == 0 || CountOf(uid) < options_.max_user_vms);
}

absl::Status Supervisor::StartSession(KeptDescriptors fds, uid_t uid, uint64_t id,
                                      const std::string& name) {
  ASSIGN_OR_RETURN(
      std::unique_ptr<HeldSession> session,
      HeldSession::Start(
          loop_, std::move(fds),
          {.command = options_.command, .name = name, .uid = uid, .id = id, .store = &store_},
          [this, id, name] {
            LOG_EVERY_N_SEC(INFO, 1) << "VM " << name << " has left";
            sessions_.erase(id);
          }));
  sessions_[id] = std::move(session);
  return absl::OkStatus();
}

// Two VMs of a user may have one name, but the admin must be able to tell them
// apart. Names of other users do not count: a user could change the name of
// another user's VM by using it first, and so the caps of that VM.
std::string Supervisor::MakeUnique(const std::string& name, uid_t uid) const {
  std::string unique = name;
  const auto is_used = [&](const auto& entry) {
    return entry.second->uid() == uid && entry.second->name() == unique;
  };
  for (size_t i = 2; std::ranges::any_of(sessions_, is_used); ++i) {
    unique = absl::StrCat(name, "-", i);
  }
  return unique;
}

}  // namespace pvsched
