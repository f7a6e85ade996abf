// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_PROFILES_H_
#define PVSCHED_HOST_POLICY_DAEMON_PROFILES_H_

#include "host-policy/daemon/tunable_store.h"

namespace pvsched {

// The profiles that need no table in the configuration file. Each sets every cap
// and budget, so that it means the same whatever the host's values are.
//
// "trusted" has the defaults. "untrusted" leaves a guest little to gain from
// false priorities.
const TunableStore::Profiles& BuiltInProfiles();

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_PROFILES_H_
