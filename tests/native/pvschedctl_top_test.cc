// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// `pvschedctl top` into a pipe, a file and a terminal, with a real pvschedd and a VM.
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Lines = std::vector<std::string>;

class PvschedctlTopTest : public PvscheddTest {
 protected:
  std::string Command(const std::string& options) {
    return std::string(PVSCHEDCTL_PATH) + " --socket " + daemon_.path("admin.sock") + " top " +
           options;
  }

  // What top writes into a pipe.
  std::string Piped(const std::string& options) {
    FILE* pipe = popen(Command("2>&1 " + options).c_str(), "r");
    std::string text;
    char buffer[4096];
    size_t size;
    while ((size = fread(buffer, 1, sizeof(buffer), pipe)) > 0) text.append(buffer, size);
    status_ = WEXITSTATUS(pclose(pipe));
    return text;
  }

  // What top writes on a terminal of this width until it ends, after these keys.
  std::string OnTerminal(unsigned short width, const std::string& options,
                         const std::string& keys) {
    const winsize size = {.ws_row = 24, .ws_col = width, .ws_xpixel = 0, .ws_ypixel = 0};
    int terminal = -1;
    const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
    if (child == 0) {
      execl("/bin/sh", "sh", "-c", Command(options).c_str(), nullptr);
      _exit(127);
    }
    std::string text;
    char buffer[4096];
    ssize_t count;
    bool has_frame = false;
    while ((count = read(terminal, buffer, sizeof(buffer))) > 0) {
      text.append(buffer, static_cast<size_t>(count));
      if (has_frame || text.find("actuator") == std::string::npos) continue;
      has_frame = true;
      EXPECT_EQ(write(terminal, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
    }
    waitpid(child, &status_, 0);
    status_ = WEXITSTATUS(status_);
    close(terminal);
    return text;
  }

  int status_ = -1;
};

TEST_F(PvschedctlTopTest, PipeGetsAPlainFrameForEachInterval) {
  auto connection = ConnectAndBind();
  const std::string text = Piped("-n 2 -d 0.1");
  EXPECT_EQ(status_, 0) << text;
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  const Lines frames = absl::StrSplit(text, "\n\n", absl::SkipEmpty());
  ASSERT_THAT(frames, SizeIs(2));
  for (const std::string& frame : frames) {
    const Lines lines = absl::StrSplit(frame, '\n', absl::SkipEmpty());
    ASSERT_THAT(lines, SizeIs(4));
    EXPECT_THAT(lines[0], HasSubstr(": actuator agent, 1 VM, 2 vCPUs, rates over "));
    EXPECT_THAT(lines[1], StartsWith("VM "));
    EXPECT_THAT(lines[2], StartsWith("test-vm  "));
  }
}

TEST_F(PvschedctlTopTest, JsonIsAnObjectForEachFrame) {
  auto connection = ConnectAndBind();
  const Lines lines =
      absl::StrSplit(Piped("--json -n 2 -d 0.1 --sort cpu"), '\n', absl::SkipEmpty());
  ASSERT_THAT(lines, SizeIs(2));
  for (const std::string& line : lines) {
    const nlohmann::json frame = nlohmann::json::parse(line, nullptr, false);
    EXPECT_EQ(frame["format"], 1);
    EXPECT_EQ(frame["vms"], 1);
    EXPECT_GE(frame["interval_s"], 0.1);
    ASSERT_EQ(frame["vcpus"].size(), 2u);
    EXPECT_EQ(frame["vcpus"][0]["vm"], "test-vm");
    EXPECT_GE(frame["vcpus"][0]["cpu_percent"], frame["vcpus"][1]["cpu_percent"]);
  }
}

TEST_F(PvschedctlTopTest, UnknownVmIsRefusedUnlessItIsForAFutureVm) {
  auto connection = ConnectAndBind();
  EXPECT_THAT(Piped("-n 1 -d 0.1 --vm tset-vm"), HasSubstr("no VM 'tset-vm' runs here"));
  EXPECT_EQ(status_, 1);
  EXPECT_THAT(Piped("-n 1 -d 0.1 --vm tset-vm --future"), Not(HasSubstr("\ntest-vm")));
  EXPECT_EQ(status_, 0);
  EXPECT_THAT(Piped("-n 1 -d 0.1 --vm test-vm"), HasSubstr("\ntest-vm"));
  EXPECT_THAT(Piped("--sort colour"), HasSubstr("--sort"));
  EXPECT_EQ(status_, 2);
}

TEST_F(PvschedctlTopTest, FullDiskEndsIt) {
  EXPECT_THAT(Piped("-d 0.1 >/dev/full"), HasSubstr("cannot write to standard output"));
  EXPECT_EQ(status_, 1);
}

TEST_F(PvschedctlTopTest, NarrowTerminalGetsNoLineThatWraps) {
  auto connection = ConnectAndBind();
  for (const unsigned short width : {20, 40}) {
    std::string text = OnTerminal(width, "-d 0.1", "q");
    EXPECT_EQ(status_, 0) << text;
    EXPECT_THAT(text, StartsWith("\033[H"));
    for (const char* sequence : {"\033[H", "\033[K", "\033[J", "\r"}) {
      for (size_t at; (at = text.find(sequence)) != std::string::npos;) {
        text.erase(at, std::string(sequence).size());
      }
    }
    EXPECT_THAT(text, Not(HasSubstr("\033")));
    const Lines lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
    EXPECT_THAT(lines, Each(SizeIs(::testing::Le(width))));
    EXPECT_THAT(lines, ::testing::Contains(StartsWith("test-vm")));
  }
}

TEST_F(PvschedctlTopTest, KeysSortAndFilter) {
  auto connection = ConnectAndBind();
  const std::string text = OnTerminal(120, "-d 1", "svq");
  EXPECT_EQ(status_, 0) << text;
  EXPECT_THAT(text, HasSubstr("keys: q quit"));
  EXPECT_THAT(text, HasSubstr(", by pid"));
  EXPECT_THAT(text, HasSubstr(", by pid, VM test-vm"));
}

}  // namespace
}  // namespace pvsched
