// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_FRONT_PROTOCOL_H_
#define PVSCHED_HOST_POLICY_DAEMON_FRONT_PROTOCOL_H_

#include <cstdint>

namespace pvsched {

// Between pvschedd and its front process. Both run the same program, so this needs no version.

// The front process's name, and the only argument with which pvschedd starts it.
inline constexpr char kFrontName[] = "pvschedd-front";
// The front process's end of a SOCK_SEQPACKET socketpair. Each message from pvschedd carries two
// descriptors: a client's connection, and a socket that the front connects with it. A message
// with one descriptor is for a socket that the front closes. The front process sends one byte, once
// it is ready.
inline constexpr int kFrontChannel = 3;

struct FrontRequest {
  uint32_t uid;  // of the client
};

// Which descriptor a client's message carries.
enum class PassedKind : uint32_t {
  kNone,
  kMemory,   // shared memory or huge pages
  kPidfd,    // of a process or a thread
  kVmm,      // a pidfd of the process that has connected to the socket that the client has passed
  kRefused,  // none of these; the front has not passed it on
  // No message: the client has passed more descriptors than it may.
  kTooMany,
  // No message: the user's descriptors hold too many processes of the front.
  kTooManyHeld,
};

// Precedes each message of a SOCK_SEQPACKET client.
struct PassedNote {
  PassedKind kind = PassedKind::kNone;
  uint32_t uid = 0;     // kVmm: as whom the process has connected
  int32_t code = 0;     // kRefused, a socket: the reason, as absl::StatusCode
  char text[116] = {};  // with `code`; NUL-terminated
};
static_assert(sizeof(PassedNote) == 128);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_FRONT_PROTOCOL_H_
