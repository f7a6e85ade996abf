// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/supervisor/supervisor.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/log/log.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/peer.h"
#include "common/pidfd.h"
#include "vmm-device/supervisor/vm_name.h"

namespace pvsched {

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
    LOG_EVERY_N_SEC(WARNING, 1) << "refused a connection of user " << peer->uid << ": at most "
                                << kMaxSessions << " in all and " << kMaxSessionsPerUser
                                << " of one user are possible";
    return;
  }
  const std::string name = ReadVmName(peer->pid);
  // Only now is it certain that /proc showed this process.
  if (HasEnded(peer->pidfd.get())) return;
  if (absl::Status status = StartSession(std::move(socket), peer->uid, name); !status.ok()) {
    LOG_EVERY_N_SEC(ERROR, 1) << "VM " << name << ": cannot start a device: " << status.message();
  }
}

bool Supervisor::HasRoomFor(uid_t uid) const {
  if (sessions_.size() >= kMaxSessions) return false;
  const auto of_user = std::count_if(sessions_.begin(), sessions_.end(), [uid](const auto& entry) {
    return entry.second->uid() == uid;
  });
  return uid == 0 || static_cast<size_t>(of_user) < kMaxSessionsPerUser;
}

absl::Status Supervisor::StartSession(UniqueFd socket, uid_t uid, const std::string& vm_name) {
  const std::string name = MakeUnique(vm_name);
  ASSIGN_OR_RETURN(
      sessions_[name],
      HeldSession::Start(loop_, std::move(socket), {.command = command_, .name = name, .uid = uid},
                         [this, name] {
                           LOG_EVERY_N_SEC(INFO, 1) << "VM " << name << " has left";
                           sessions_.erase(name);
                         }));
  LOG_EVERY_N_SEC(INFO, 1) << "VM " << name << " of user " << uid << " has connected";
  return absl::OkStatus();
}

// Two VMs may have one name, but the admin must be able to tell them apart.
std::string Supervisor::MakeUnique(const std::string& name) const {
  std::string unique = name;
  for (size_t i = 2; sessions_.contains(unique); ++i) unique = absl::StrCat(name, "-", i);
  return unique;
}

}  // namespace pvsched
