// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// Front's functions in place of front.cc, without a front process: a client's messages arrive as
// the client has sent them, notes included.

#include <utility>

#include "host-policy/daemon/front.h"

namespace pvsched {

Front::~Front() = default;

bool Front::HasRoom(int /*listener*/) { return true; }

UniqueFd Front::Guard(UniqueFd connection, int /*type*/, uid_t /*uid*/) { return connection; }

void Front::CloseListener(UniqueFd /*listener*/) {}

}  // namespace pvsched
