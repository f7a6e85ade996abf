// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_TOP_FRAME_H_
#define PVSCHED_HOST_POLICY_CTL_TOP_FRAME_H_

#include <cstddef>
#include <string>
#include <vector>

#include "host-policy/ctl/admin_client.h"

namespace pvsched {

// What `pvschedctl top` shows of a frame, and where.
struct TopView {
  std::string sort = "vm";  // one of TopSortFields()
  std::string vm{};         // empty: all VMs
  size_t width = 0;         // in characters; 0: no limit
  size_t height = 0;        // in lines; 0: no limit
  bool has_keys = false;    // the user can press them
};

std::vector<std::string> TopSortFields();

// The rates between two replies to "stats", `seconds` apart: an object with an
// entry for each vCPU.
Json TopFrame(const Json& before, const Json& after, double seconds, const std::string& host);
// The frame with the vCPUs of the view, in its order: numbers from the largest on.
Json ShapedTop(Json frame, const TopView& view);
// A shaped frame as lines of text. Columns that do not fit are left out from the
// right on, so no line is longer than the width.
std::string TopText(const Json& shaped, const TopView& view);

// The names of the frame's VMs, each once.
std::vector<std::string> TopVms(const Json& frame);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_TOP_FRAME_H_
