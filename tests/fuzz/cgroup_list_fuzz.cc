// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The guest admin's list of urgent cgroups, as the driver parses it. A list holds valid entries in
// the order of their levels, and what the driver shows of it is the same list.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "pvsched_abi.h"
#include "tests/fuzz/fuzz.h"
// Needs the functions of the string header and the error numbers.
#include "guest-driver/pvsched_cgroup_list.h"

namespace pvsched {
namespace {

std::string Shown(const pvsched_cgroup_list& list) {
  std::string text;
  for (uint32_t i = 0; i < list.count; ++i) {
    text += std::string(list.paths[i]) + " " + std::to_string(list.keys[i].rt_prio) + "\n";
  }
  return text;
}

void Check(const pvsched_cgroup_list& list) {
  Require(list.count <= PVSCHED_CGROUPS_MAX, "a list has its limit");
  for (uint32_t i = 0; i < list.count; ++i) {
    const size_t length = strnlen(list.paths[i], PVSCHED_CGROUP_PATH_SIZE);
    Require(length > 0 && length < PVSCHED_CGROUP_PATH_SIZE, "a path has its limit");
    const pvsched_text path = {list.paths[i], static_cast<uint32_t>(length)};
    Require(pvsched_cgroup_level(path) == static_cast<int>(list.keys[i].level),
            "a path has its level");
    Require(list.keys[i].rt_prio >= 1 && list.keys[i].rt_prio <= 99, "a priority is in its range");
    Require(i == 0 || list.keys[i - 1].level >= list.keys[i].level, "the deepest is first");
  }
  const std::string shown = Shown(list);
  Require(shown.size() <= 4096, "a list fits into a page");
  static pvsched_cgroup_list again;
  again = {};
  Require(pvsched_cgroup_parse(&again, shown.c_str()) == 0, "what is shown can be written");
  Require(Shown(again) == shown, "what is shown has all entries, in their order");
}

}  // namespace
}  // namespace pvsched

// Each NUL ends one write of the admin.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static pvsched_cgroup_list list;
  list = {};
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (size_t at = 0; at < text.size(); at += strlen(text.c_str() + at) + 1) {
    const pvsched_cgroup_list before = list;
    if (pvsched_cgroup_parse(&list, text.c_str() + at) != 0) list = before;  // as the driver does
    pvsched::Check(list);
  }
  return 0;
}
