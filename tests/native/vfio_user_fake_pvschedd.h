// SPDX-License-Identifier: Apache-2.0
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

// The other side of pvsched_control.h, without a host behind it. Serves in a
// thread of its own; all methods may be called from any thread.
class FakePvschedd {
 public:
  struct Record {
    uint64_t ino;  // of the memory's file
    uint64_t offset;
    bool operator==(const Record&) const = default;
  };

  explicit FakePvschedd(const std::string& path);
  // As a pvschedd that ends: connections close, the socket goes.
  ~FakePvschedd();
  FakePvschedd(const FakePvschedd&) = delete;
  FakePvschedd& operator=(const FakePvschedd&) = delete;

  // From now on requests of this type are answered with an error; 0
  // ends that.
  void Refuse(uint16_t type, int error, const std::string& text);
  // From now on nothing is answered, or it is again.
  void BeSilent(bool silent);
  // From now on answers carry a wrong sequence number.
  void AnswerOutOfTurn(bool wrong);
  void CloseConnections();

  std::map<uint32_t, Record> records() const;
  int hellos() const;
  int connections() const;
  pid_t vmm() const;  // of the last HELLO's pidfd
  std::string name() const;

 private:
  void Serve();
  void ServeConnection(int fd);
  pvsched_control_msg Answer(const pvsched_control_msg& request, int fd);

  const std::string path_;
  UniqueFd listener_;
  UniqueFd wake_;

  mutable std::mutex mutex_;
  bool stop_ = false;
  bool silent_ = false;
  bool out_of_turn_ = false;
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
