#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The RPM spec as far as Debian's rpm goes: it is valid, its version is the
# project's, its SELinux module compiles, and it names each installed file.
. "$(dirname "$0")/lib.sh"

spec=packaging/rpm/pvsched.spec
# Fedora's macros, which Debian's rpm does not have.
macros=(--define '_unitdir /usr/lib/systemd/system' --define '_sysusersdir /usr/lib/sysusers.d'
  --define '_vpath_builddir build' --define "_lib lib/x86_64-linux-gnu" --define '_libdir %{_prefix}/%{_lib}')

rpmspec "${macros[@]}" -P "$spec" >"$top/parsed"
version=$(sed -n 's/^project(pvsched VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
grep -qx "Version: *$version" "$top/parsed" || fail "$spec: the version is not $version"
rpmlint -c packaging/rpm/rpmlint.toml "$spec" >"$top/lint" 2>&1 || fail "$(cat "$top/lint")"
grep -q ' 0 errors, 0 warnings' "$top/lint" || fail "$(cat "$top/lint")"

checkmodule -M -m -o "$top/pvsched.mod" packaging/rpm/pvsched.te >"$top/said" 2>&1 || fail "$(cat "$top/said")"
semodule_package -o "$top/pvsched.pp" -m "$top/pvsched.mod" -f packaging/rpm/pvsched.fc

# What the build of the Debian packages installed is in the %files of a package.
installed=$(echo "$packages"/pvsched-*/debian/tmp)
sed -n '/^%files/,/^%changelog/p' "$top/parsed" | sed -n 's/^%config([a-z]*) //; /^\//p' >"$top/files"
(cd "$installed" && find . -type f -printf '/%P\n') | while read -r file; do
  case $file in
  /etc/apparmor.d/*) continue ;; # the spec removes it
  esac
  file=${file/libpvsched-dev/pvsched-devel}
  while read -r pattern; do
    # The patterns of the spec are the shell's.
    # shellcheck disable=SC2053
    [[ $file == $pattern || $file == "$pattern"/* ]] && continue 2
  done <"$top/files"
  fail "$spec names no package for $file"
done
