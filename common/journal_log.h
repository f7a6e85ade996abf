// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_JOURNAL_LOG_H_
#define PVSCHED_COMMON_JOURNAL_LOG_H_

#include <string>

#include "absl/base/log_severity.h"
#include "absl/strings/string_view.h"

namespace pvsched {

// Whether standard error is a stream of systemd's journal, as $JOURNAL_STREAM says.
bool IsStderrJournal();

// If standard error is the journal, log messages get the prefix of their
// priority, such as <4>, in front of each line. Abseil's own prefix is left out:
// the journal has date and process. Call it once, after absl::InitializeLog().
void LogToJournal();

// Prints "PROGRAM: MESSAGE" to standard error, with the priority of an error if
// that is the journal. For errors that end a program.
void PrintError(absl::string_view program, absl::string_view message);

// `text` with the prefix of a priority (0 to 7) in front of each line.
std::string WithPriority(int priority, absl::string_view text);
// The syslog priority of a severity; `verbosity` is above 0 for VLOG.
int JournalPriority(absl::LogSeverity severity, int verbosity);

}  // namespace pvsched

#endif  // PVSCHED_COMMON_JOURNAL_LOG_H_
