// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// How long a device waits before it asks pvschedd again.
#ifndef PVSCHED_VMM_DEVICE_DAEMON_RETRY_DELAY_H_
#define PVSCHED_VMM_DEVICE_DAEMON_RETRY_DELAY_H_

#include <algorithm>
#include <chrono>
#include <optional>

namespace pvsched {

enum class RetryReason {
  // No process listens. inotify reports the next socket, so retries only cover the
  // time between pvschedd's bind() and its listen().
  kNoListener,
  // pvschedd does not reply in time. It loads its programs, or is stopped; the VM
  // should not wait long once it replies.
  kNoReply,
  // pvschedd refused, or closed the connection. Another VM must end first.
  kRefused,
};

// Delays that start at 50 ms and double up to a maximum. Not thread-safe.
class RetryDelay {
 public:
  static constexpr std::chrono::milliseconds kMin{50};
  static constexpr std::chrono::milliseconds kMaxUnanswered{1000};
  static constexpr std::chrono::milliseconds kMaxRefused{60'000};

  void Restart() { next_ = kMin; }

  // The delay before the next attempt; nullopt: no attempt, an event will start one.
  std::optional<std::chrono::milliseconds> Next(RetryReason reason) {
    if (reason == RetryReason::kNoListener && next_ > kMaxUnanswered) return std::nullopt;
    const auto delay =
        std::min(next_, reason == RetryReason::kRefused ? kMaxRefused : kMaxUnanswered);
    next_ = delay * 2;
    return delay;
  }

 private:
  std::chrono::milliseconds next_ = kMin;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DAEMON_RETRY_DELAY_H_
