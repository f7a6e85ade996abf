#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# bash and zsh can read the installed completions.
. "$(dirname "$0")/lib.sh"

unpack pvsched
unpack pvsched-device
for program in "$top"/usr/bin/*; do
  name=$(basename "$program")
  bash -n "$top/usr/share/bash-completion/completions/$name"
  zsh -n "$top/usr/share/zsh/vendor-completions/_$name"
done
