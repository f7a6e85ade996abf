// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_SCX_EXIT_RECORD_H_
#define PVSCHED_HOST_POLICY_DAEMON_SCX_EXIT_RECORD_H_

#include <string>
#include <utility>

#include "host-policy/bpf/scx/intf.h"

namespace pvsched {

// Why the kernel last ended the scheduler, kept in a file for whoever asks
// later, of this pvschedd or of the next. Thread-safety: one thread.
class ScxExitRecord {
 public:
  explicit ScxExitRecord(std::string path) : path_(std::move(path)) {}

  // Keeps it, with the time; returns it as text.
  std::string Note(const pvs_scx_exit& end) const;
  // Empty if there was none since the host was booted.
  std::string Last() const;

 private:
  std::string path_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_SCX_EXIT_RECORD_H_
