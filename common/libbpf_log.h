// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_LIBBPF_LOG_H_
#define PVSCHED_COMMON_LIBBPF_LOG_H_

#include <string>

namespace pvsched {

// Redirects the messages of libbpf, the verifier's log included, from standard error into a
// buffer of the process. Debug messages are dropped.
void CaptureLibbpfLog();

// Returns the buffered messages and empties the buffer.
std::string TakeLibbpfLog();

}  // namespace pvsched

#endif  // PVSCHED_COMMON_LIBBPF_LOG_H_
