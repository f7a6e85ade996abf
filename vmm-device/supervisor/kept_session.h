// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_SUPERVISOR_KEPT_SESSION_H_
#define PVSCHED_VMM_DEVICE_SUPERVISOR_KEPT_SESSION_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/unique_fd.h"

namespace pvsched {

// The descriptors of one VM's session. systemd holds them too, by the names
// "ID.vm.NAME" for the connection, "ID.state", "ID.pipe-out", "ID.pipe-in" and
// "ID.file.NUMBER", so that the session outlives pvsched-deviced.
struct KeptDescriptors {
  UniqueFd socket;  // to the VMM
  UniqueFd state;   // a StateImage
  UniqueFd pipe_out;
  UniqueFd pipe_in;
  std::map<uint32_t, UniqueFd> files;  // by number, as in hand_over.h

  bool is_complete() const { return socket && state && pipe_out && pipe_in; }
  // The names under which systemd holds them, each with its descriptor.
  std::vector<std::pair<std::string, int>> Named(uint64_t id, const std::string& vm_name) const;
};

std::string KeptFileName(uint64_t id, uint32_t file);

// A session that systemd has returned. It may be incomplete, if pvsched-deviced was
// killed while it began or ended.
struct KeptSession {
  std::string vm_name;
  KeptDescriptors descriptors;
  std::vector<std::string> names;  // of all its descriptors in the store
};

// Takes the descriptors of sessions out of `descriptors`, by their names, and leaves
// the others.
std::map<uint64_t, KeptSession> TakeSessions(
    std::vector<std::pair<std::string, UniqueFd>>& descriptors);

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_SUPERVISOR_KEPT_SESSION_H_
