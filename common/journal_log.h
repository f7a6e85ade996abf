// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_JOURNAL_LOG_H_
#define PVSCHED_COMMON_JOURNAL_LOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/log_severity.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pvsched {

// Whether standard error is a stream of systemd's journal, as $JOURNAL_STREAM says.
bool IsStderrJournal();

// If standard error is the journal, log messages get the prefix of their
// priority, such as <4>, in front of each line. Abseil's own prefix is left out:
// the journal has date and process. Messages about a LogSubject go to the
// journal's `socket`, with fields. Call it once, after absl::InitializeLog().
void LogToJournal(const std::string& socket = "/run/systemd/journal/socket");

// The VM, and the vCPU, that all log messages of this thread are about, until it
// is destroyed. The latest of several counts.
class LogSubject {
 public:
  explicit LogSubject(std::string vm, std::optional<uint32_t> vcpu = std::nullopt);
  ~LogSubject();
  LogSubject(const LogSubject&) = delete;
  LogSubject& operator=(const LogSubject&) = delete;

  // nullptr: none.
  static const LogSubject* Current();

  const std::string& vm() const { return vm_; }
  std::optional<uint32_t> vcpu() const { return vcpu_; }

 private:
  const std::string vm_;
  const std::optional<uint32_t> vcpu_;
  const LogSubject* const outer_;
};

// An entry in the journal's native protocol, of (NAME, value) each.
std::string JournalEntry(absl::Span<const std::pair<std::string, std::string>> fields);

// Prints "PROGRAM: MESSAGE" to standard error, with the priority of an error if
// that is the journal. For errors that end a program.
void PrintError(absl::string_view program, absl::string_view message);

// `text` with the prefix of a priority (0 to 7) in front of each line.
std::string WithPriority(int priority, absl::string_view text);
// The syslog priority of a severity; `verbosity` is above 0 for VLOG.
int JournalPriority(absl::LogSeverity severity, int verbosity);

}  // namespace pvsched

#endif  // PVSCHED_COMMON_JOURNAL_LOG_H_
