// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_DOCTOR_H_
#define PVSCHED_HOST_POLICY_CTL_DOCTOR_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host-policy/ctl/admin_client.h"

namespace pvsched {

// What doctor judges. Files are read below `root`; the rest comes from calls that
// a test cannot replace.
struct DoctorHost {
  std::string root;     // empty: this host
  std::string release;  // of the kernel
  uid_t uid = 0;        // effective
  std::string user;     // its name
  absl::Status scx;     // CheckScxSupport()
  std::string qemu;     // first line of qemu-system-x86_64 --version; empty: not found
  uint64_t memlock = 0;
  absl::StatusOr<Json> stats = absl::UnknownError("");  // pvschedd's reply to "stats"
  std::optional<gid_t> group;                           // of the group pvsched; none: no such group
  std::string device_socket;
  // The user of libvirt's QEMU, and its groups; empty: there is no such user.
  std::string vmm_user;
  std::vector<gid_t> vmm_groups;
};

enum class FindingState {
  kOk,
  kLimited,  // pvsched works, but something is slower or left out
  kMissing,  // pvsched cannot work
  kUnknown,  // this user may not see it
};

struct Finding {
  std::string name;
  FindingState state = FindingState::kOk;
  std::string found;
  std::string cost{};    // what it costs; empty if nothing
  std::string advice{};  // what to do; empty if nothing
};

// This host. `socket_path` is pvschedd's admin socket.
DoctorHost ReadHost(const std::string& socket_path, const std::string& device_socket);

std::vector<Finding> Examine(const DoctorHost& host);
// Parts of Examine(): the kernel and KVM; memory; pvschedd, devices and VMMs.
std::vector<Finding> ExamineKernel(const DoctorHost& host);
std::vector<Finding> ExamineMemory(const DoctorHost& host);
std::vector<Finding> ExamineAccess(const DoctorHost& host);

std::string FindingsText(const std::vector<Finding>& findings);
Json FindingsJson(const std::vector<Finding>& findings);
// Whether a finding is kMissing.
bool HasMissing(const std::vector<Finding>& findings);

// The first line of a file below the host's root; empty if it cannot be read.
std::string ReadLine(const DoctorHost& host, const std::string& path);
bool HasFile(const DoctorHost& host, const std::string& path);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_DOCTOR_H_
