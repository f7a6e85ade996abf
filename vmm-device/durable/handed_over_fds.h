// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DURABLE_HANDED_OVER_FDS_H_
#define PVSCHED_VMM_DEVICE_DURABLE_HANDED_OVER_FDS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pvsched {

// The descriptors that a supervised device inherits beside the client's socket.
struct HandedOverFds {
  int state = -1;       // a StateImage
  int supervisor = -1;  // for the messages of hand_over.h
  int pipe_out = -1;    // of DurableChannel
  int pipe_in = -1;
  std::map<uint32_t, int> files;  // by number, as in hand_over.h

  // As one word of a command line, such as "5,6,7,8,0=9,512=10".
  std::string Format() const;
  static absl::StatusOr<HandedOverFds> Parse(absl::string_view text);
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DURABLE_HANDED_OVER_FDS_H_
