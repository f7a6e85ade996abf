// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/perfetto.h"

#include "absl/strings/str_cat.h"

namespace pvsched {

PerfettoWriter::PerfettoWriter(FILE* file) : file_(file) {
  fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", file_);
}

PerfettoWriter::~PerfettoWriter() {
  for (const auto& [track, is_open] : tracks_) {
    if (is_open) {
      Emit({{"ph", "E"}, {"pid", track.first}, {"tid", track.second}, {"ts", last_us_}});
    }
  }
  fputs("\n]}\n", file_);
}

void PerfettoWriter::Emit(const Json& event) {
  fprintf(file_, "%s\n%s", is_first_ ? "" : ",",
          event.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  is_first_ = false;
}

void PerfettoWriter::Add(const Json& decision) {
  const int64_t pid = decision.value("pid", int64_t{0});
  const int64_t tid = decision.value("tid", int64_t{0});
  const std::string grant = decision.value("grant", "?");
  last_us_ = static_cast<double>(decision.value("ns", uint64_t{0})) / 1000.0;
  const auto [it, is_new] = tracks_.try_emplace({pid, tid}, false);
  if (is_new) {
    Emit({{"ph", "M"},
          {"name", "process_name"},
          {"pid", pid},
          {"args", {{"name", absl::StrCat("VM ", decision.value("vm", "?"))}}}});
    Emit({{"ph", "M"},
          {"name", "thread_name"},
          {"pid", pid},
          {"tid", tid},
          {"args", {{"name", absl::StrCat("vCPU ", decision.value("vcpu", 0))}}}});
  }
  if (it->second) Emit({{"ph", "E"}, {"pid", pid}, {"tid", tid}, {"ts", last_us_}});
  it->second = grant != "baseline";
  if (it->second) {
    Emit({{"ph", "B"},
          {"name", grant},
          {"cat", "pvsched"},
          {"pid", pid},
          {"tid", tid},
          {"ts", last_us_},
          {"args", {{"reason", decision.value("reason", "")}}}});
  } else {
    Emit({{"ph", "i"},
          {"s", "t"},
          {"name", "baseline"},
          {"cat", "pvsched"},
          {"pid", pid},
          {"tid", tid},
          {"ts", last_us_},
          {"args", {{"reason", decision.value("reason", "")}}}});
  }
}

}  // namespace pvsched
