#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The manual pages and the completions against the programs.
# Usage: pages_test.sh manual|bash|zsh PAGES_DIR BIN_DIR
set -eu

part=$1
pages=$2
bin=$3
failed=0

fail() {
  echo "$*" >&2
  failed=1
}

# The options that --help lists, of the program and of its direct subcommands.
options() { # PROGRAM
  local sub
  "$bin/$1" --help | grep -oE '^  -[^ ]+' | grep -oE -- '--[a-z-]+'
  for sub in $("$bin/$1" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]\+\) .*/\1/p'); do
    "$bin/$1" "$sub" --help | grep -oE '^  -[^ ]+' | grep -oE -- '--[a-z-]+'
  done
}

# Sets COMPREPLY as bash does for a line that ends with the word to complete.
complete_line() { # WORD...
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  COMPREPLY=()
  "_${1//-/_}"
}

expect() { # WANTED WORD...
  local wanted=$1
  shift
  complete_line "$@"
  [ "${COMPREPLY[*]}" = "$wanted" ] || fail "completing '$*': '${COMPREPLY[*]}' instead of '$wanted'"
}

case $part in
manual)
  for page in "$pages"/*.[18]; do
    program=$(basename "${page%.*}")
    for option in $(options "$program"); do
      grep -qF -- "${option//-/\\-}" "$page" || fail "$page does not name $option"
    done
    if [ -n "$(type -P groff)" ]; then
      warnings=$(groff -man -Tutf8 -ww -z "$page" 2>&1) || true
      [ -z "$warnings" ] || fail "$page: $warnings"
    fi
    for heading in NAME SYNOPSIS DESCRIPTION OPTIONS; do
      grep -q "^.SH $heading" "$page" || fail "$page has no section $heading"
    done
  done
  ;;
bash)
  for file in "$pages"/bash/*; do
    # shellcheck source=/dev/null
    . "$file"
    program=$(basename "$file")
    complete_line "$program" --
    for option in $("$bin/$program" --help | grep -oE '^  -[^ ]+' | grep -oE -- '--[a-z-]+'); do
      [[ " ${COMPREPLY[*]} " == *" $option "* ]] || fail "$program: $option is not completed"
    done
  done
  expect "tunable" pvschedctl tun
  expect "set" pvschedctl tunable se
  expect "set" pvschedctl --socket vm tunable se
  expect "--vm --version" pvschedctl tunable set budget 500 --v
  expect "--json" pvschedctl tunable list --js
  expect "" pvschedctl tunable set --vm "--j"
  expect "--socket-group" pvsched-device --socket-g
  expect "warning" pvsched-device --log-level w
  cd "$pages"
  expect "bash" pvschedctl policy load ba
  expect "bash" pvsched-device --socket ba
  expect "bash" pvsched-boot -n 3 -- cat ba
  ;;
zsh)
  # Each file defines the functions that it calls.
  for file in "$pages"/zsh/_*; do
    for function in $(grep -oE '\) _pvsched\w+ ;;' "$file" | grep -oE '_\w+'); do
      grep -q "^$function() {" "$file" || fail "$file: $function is not defined"
    done
  done
  ;;
esac
exit "$failed"
