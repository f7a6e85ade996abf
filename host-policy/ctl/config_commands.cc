// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/config_commands.h"

#include <unistd.h>

#include <cstdio>

#include "host-policy/daemon/config_file.h"
#include "host-policy/daemon/config_text.h"

namespace pvsched {

absl::Status CheckConfig(const std::string& path) {
  const std::string file = path.empty() ? kDefaultConfigPath : path;
  if (path.empty() && access(kDefaultConfigPath, F_OK) != 0) {
    printf("%s does not exist: the defaults hold\n", kDefaultConfigPath);
    return absl::OkStatus();
  }
  const absl::Status status = LoadConfig(file).status();
  if (status.ok()) printf("%s: no errors\n", file.c_str());
  // Not InvalidArgument, which stands for wrong usage of pvschedctl.
  return status.ok() ? status : absl::FailedPreconditionError(status.message());
}

void PrintDefaultConfig() { fputs(DefaultConfigText().c_str(), stdout); }

}  // namespace pvsched
