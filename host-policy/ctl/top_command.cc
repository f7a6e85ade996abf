// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/top_command.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "common/errno_status.h"
#include "common/standard_output.h"
#include "host-policy/ctl/admin_client.h"
#include "host-policy/ctl/interrupt.h"
#include "host-policy/ctl/json_output.h"
#include "host-policy/ctl/key_terminal.h"
#include "host-policy/ctl/top_frame.h"
#include "host-policy/ctl/vm_filter.h"
#include "host-policy/daemon/vm_name.h"

namespace pvsched {
namespace {

using Clock = std::chrono::steady_clock;

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = "";
  gethostname(name, sizeof(name) - 1);
  return name;
}

// Limits a view to standard output, if that is a terminal.
void FitToTerminal(TopView& view) {
  if (isatty(STDOUT_FILENO) != 1) return;
  winsize size = {};
  const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  view.width = is_known ? size.ws_col : 80;
  // The last line is for the cursor.
  view.height = is_known && size.ws_row > 1 ? size.ws_row - 1u : 0;
}

class Top {
 public:
  explicit Top(const Invocation& run)
      : run_(run),
        client_(run.socket_path),
        is_screen_(!run.is_batch && !run.as_json && isatty(STDOUT_FILENO) == 1),
        view_{.sort = run.sort, .vm = CleanVmName(run.vm)} {
    if (is_screen_) keys_ = std::make_unique<KeyTerminal>();
  }

  absl::Status Run() {
    RETURN_IF_ERROR(Sample());
    for (int round = 0; run_.rounds == 0 || round < run_.rounds; ++round) {
      ASSIGN_OR_RETURN(const bool goes_on, WaitForRound());
      if (!goes_on) break;
      RETURN_IF_ERROR(Sample());
      RETURN_IF_ERROR(Show());
    }
    return absl::OkStatus();
  }

 private:
  // Asks for the counters, and makes a frame of them and those before.
  absl::Status Sample() {
    ASSIGN_OR_RETURN(Json stats, client_.Ask(AdminMethod::kGetStats));
    const Clock::time_point now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - sampled_at_).count();
    frame_ = TopFrame(stats_, stats, std::max(seconds, 1e-3), HostName());
    stats_ = std::move(stats);
    sampled_at_ = now;
    return absl::OkStatus();
  }

  absl::Status Show() {
    is_shown_ = true;
    const Json shaped = ShapedTop(frame_, view_);
    if (run_.as_json) {
      fputs(JsonText(shaped, -1).c_str(), stdout);
      return FlushStandardOutput();
    }
    TopView view = view_;
    FitToTerminal(view);
    if (!is_screen_) view.height = 0;
    if (keys_ != nullptr) {
      keys_->Renew();
      view.has_keys = keys_->fd() >= 0;
    }
    std::string text = TopText(shaped, view);
    // Overwrites the frame before, as clearing the screen would flicker.
    if (is_screen_) {
      text = "\033[H" + absl::StrReplaceAll(text, {{"\n", "\033[K\n"}}) + "\033[J";
    } else {
      text += "\n";
    }
    fputs(text.c_str(), stdout);
    return FlushStandardOutput();
  }

  // Waits for the next round, and does what keys say. False: the user ended it.
  absl::StatusOr<bool> WaitForRound() {
    const auto end = sampled_at_ + std::chrono::duration_cast<Clock::duration>(
                                       std::chrono::duration<double>(run_.interval));
    while (true) {
      const WaitEnd wait = WaitForInput(keys_ != nullptr ? keys_->fd() : -1, end);
      if (WasInterrupted()) return false;
      if (wait == WaitEnd::kTime) return true;
      if (wait == WaitEnd::kReadable && !DoKey(keys_->Read())) return false;
      if (is_shown_ && is_screen_) RETURN_IF_ERROR(Show());
    }
  }

  // False: the key ends top.
  bool DoKey(char key) {
    if (key == 'q') return false;
    if (key == 's') view_.sort = After(TopSortFields(), view_.sort, TopSortFields().front());
    if (key == 'v') view_.vm = After(TopVms(frame_), view_.vm, "");
    if (key == 'a') view_.vm = "";
    return true;
  }

  // The entry after `current`; the first one if `current` is none of them.
  static std::string After(const std::vector<std::string>& list, const std::string& current,
                           const std::string& end) {
    auto it = std::ranges::find(list, current);
    it = it == list.end() ? list.begin() : std::next(it);
    return it == list.end() ? end : *it;
  }

  const Invocation& run_;
  const AdminClient client_;
  const bool is_screen_;
  std::unique_ptr<KeyTerminal> keys_{};  // with a screen only
  TopView view_;
  Json stats_ = Json::object();
  Json frame_{};
  Clock::time_point sampled_at_{};
  bool is_shown_ = false;
};

absl::Status RunTop(const Invocation& run) {
  RETURN_IF_ERROR(CheckVmFilter(run));
  CatchInterrupts();
  const absl::Status status = Top(run).Run();
  return WasInterrupted() && absl::IsCancelled(status) ? absl::OkStatus() : status;
}

}  // namespace

void AddTopCommand(CLI::App& app, Invocation& run) {
  CLI::App* top = app.add_subcommand("top", "The counters as rates, refreshed");
  top->add_option("-n,--rounds", run.rounds, "Frames to print; 0: no limit")
      ->type_name("COUNT")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  top->add_option("-d,--delay", run.interval, "Seconds between two frames")
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0));
  top->add_option("--sort", run.sort, "Column to sort by; numbers from the largest on")
      ->type_name("FIELD")
      ->capture_default_str()
      ->check(CLI::IsMember(TopSortFields()));
  AddVmFilter(*top, run);
  top->add_flag("-b,--batch", run.is_batch,
                "Print frame below frame and read no keys, even on a terminal");
  top->final_callback([&run] { run.status = RunTop(run); });
}

}  // namespace pvsched
