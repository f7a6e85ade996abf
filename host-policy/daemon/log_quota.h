// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_LOG_QUOTA_H_
#define PVSCHED_HOST_POLICY_DAEMON_LOG_QUOTA_H_

#include <sys/types.h>

#include <chrono>
#include <map>

namespace pvsched {

// Limits the log lines that devices can cause in a second. One user has a part of
// them only: a user could otherwise hide the lines about other users' VMs. Root,
// which owns the VMs of some hosts, may have all.
class LogQuota {
 public:
  using Clock = std::chrono::steady_clock;

  LogQuota(int lines, int lines_of_user) : lines_(lines), lines_of_user_(lines_of_user) {}

  // Counts a line about a user. Returns whether it may be logged.
  bool Consume(uid_t uid, Clock::time_point now = Clock::now()) {
    if (now - second_ >= std::chrono::seconds(1)) {
      second_ = now;
      used_ = 0;
      used_by_.clear();
    }
    if (used_ >= lines_) return false;
    int& used_by_user = used_by_[uid];
    if (uid != 0 && used_by_user >= lines_of_user_) return false;
    ++used_by_user;
    ++used_;
    return true;
  }

 private:
  const int lines_;
  const int lines_of_user_;
  Clock::time_point second_;
  int used_ = 0;
  std::map<uid_t, int> used_by_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_LOG_QUOTA_H_
