// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_CONFIG_TEXT_H_
#define PVSCHED_HOST_POLICY_DAEMON_CONFIG_TEXT_H_

#include <string>

#include "host-policy/daemon/config_file.h"

namespace pvsched {

// A configuration file with every key, its meaning and its default, all
// commented out. host-policy/daemon/pvsched.toml is this text.
std::string DefaultConfigText();

// A file that sets what `config` sets, and nothing else.
std::string ConfigText(const Config& config);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_CONFIG_TEXT_H_
