// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "common/journal_log.h"

#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "absl/log/globals.h"
#include "absl/log/log_entry.h"
#include "absl/log/log_sink.h"
#include "absl/log/log_sink_registry.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace pvsched {
namespace {

// One write: lines of two processes on one stream do not mix. A log that cannot
// be written is lost.
void WriteToStderr(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(STDERR_FILENO, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    text.remove_prefix(static_cast<size_t>(size));
  }
}

bool IsNamedByEnvironment() {
  const char* stream = getenv("JOURNAL_STREAM");
  struct stat info;
  return stream != nullptr && fstat(STDERR_FILENO, &info) == 0 &&
         stream == absl::StrCat(info.st_dev, ":", info.st_ino);
}

class JournalSink : public absl::LogSink {
 public:
  void Send(const absl::LogEntry& entry) override {
    const int error = errno;
    std::string text(entry.text_message());
    // Abseil sends a fatal message twice, the second time for its stack trace.
    if (!entry.stacktrace().empty()) {
      text = std::string(entry.stacktrace());
    } else if (entry.log_severity() == absl::LogSeverity::kFatal) {
      absl::StrAppend(&text, " (", entry.source_basename(), ":", entry.source_line(), ")");
    }
    WriteToStderr(WithPriority(JournalPriority(entry.log_severity(), entry.verbosity()), text));
    errno = error;
  }
};

}  // namespace

bool IsStderrJournal() {
  // Once: later a seccomp filter may forbid fstat().
  static const bool is_journal = IsNamedByEnvironment();
  return is_journal;
}

void LogToJournal() {
  if (!IsStderrJournal()) return;
  static absl::LogSink* const sink = new JournalSink;
  absl::AddLogSink(sink);
  absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfinity);
}

void PrintError(absl::string_view program, absl::string_view message) {
  const std::string text = absl::StrCat(program, ": ", message);
  WriteToStderr(IsStderrJournal() ? WithPriority(LOG_ERR, text) : text + "\n");
}

std::string WithPriority(int priority, absl::string_view text) {
  std::string lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    absl::StrAppend(&lines, "<", priority, ">", line, "\n");
  }
  return lines;
}

int JournalPriority(absl::LogSeverity severity, int verbosity) {
  switch (severity) {
    case absl::LogSeverity::kInfo:
      return verbosity > 0 ? LOG_DEBUG : LOG_INFO;
    case absl::LogSeverity::kWarning:
      return LOG_WARNING;
    case absl::LogSeverity::kError:
      return LOG_ERR;
    case absl::LogSeverity::kFatal:
      break;
  }
  return LOG_CRIT;
}

}  // namespace pvsched
