// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_VFIO_USER_FAKE_PVSCHEDD_H_
#define PVSCHED_TESTS_NATIVE_VFIO_USER_FAKE_PVSCHEDD_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/unique_fd.h"
#include "pvsched_control.h"

namespace pvsched {

// A server of pvsched_control.h without a host policy. Serves devices in its own
// thread. Thread-safe.
class FakePvschedd {
 public:
  struct Record {
    uint64_t ino;  // st_ino of the memory's file
    uint64_t offset;
    bool operator==(const Record&) const = default;
  };

  explicit FakePvschedd(const std::string& path);
  // Closes the connections and removes the socket file.
  ~FakePvschedd();
  FakePvschedd(const FakePvschedd&) = delete;
  FakePvschedd& operator=(const FakePvschedd&) = delete;

  // Answers requests of `type` with `error`, or accepts them again with 0.
  void Refuse(uint16_t type, int error, const std::string& text);
  // Sends no replies while `silent`.
  void SetSilent(bool silent);
  // Sends replies with a wrong sequence number while `wrong`.
  void SetWrongSeq(bool wrong);
  // Understands the protocol up to `version` only, as an older pvschedd.
  void SetVersion(uint16_t version);
  // Refuses a HELLO with a pidfd, as for a VMM of another user.
  void NeedProof();
  // Closes the next connection before its HELLO, and says that there is no room.
  void DismissNext();
  void CloseConnections();

  std::map<uint32_t, Record> records() const;
  int hellos() const;
  int connections() const;
  pid_t vmm() const;           // of the last HELLO's descriptor
  bool is_vmm_proven() const;  // that descriptor was a socket
  std::string name() const;    // of the last HELLO

 private:
  void Serve();
  void ServeConnection(int fd);
  pvsched_control_msg Answer(const pvsched_control_msg& request, int fd);

  const std::string path_;
  UniqueFd listener_;
  UniqueFd wake_;

  mutable std::mutex mutex_;
  bool stop_ = false;
  bool is_silent_ = false;
  bool is_seq_wrong_ = false;
  bool is_next_dismissed_ = false;
  bool is_vmm_proven_ = false;
  bool needs_proof_ = false;
  uint16_t version_ = PVSCHED_CONTROL_VERSION;
  bool close_all_ = false;
  std::map<uint16_t, std::pair<int, std::string>> refusals_;
  std::map<int, UniqueFd> connections_;
  std::map<uint32_t, Record> records_;
  int hellos_ = 0;
  pid_t vmm_ = -1;
  std::string name_;

  std::thread thread_;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_VFIO_USER_FAKE_PVSCHEDD_H_
