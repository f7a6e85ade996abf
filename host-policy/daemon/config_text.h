// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_CONFIG_TEXT_H_
#define PVSCHED_HOST_POLICY_DAEMON_CONFIG_TEXT_H_

#include <string>

namespace pvsched {

// A configuration file with every key, its meaning and its default, all
// commented out. host-policy/daemon/pvsched.toml is this text.
std::string DefaultConfigText();

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_CONFIG_TEXT_H_
