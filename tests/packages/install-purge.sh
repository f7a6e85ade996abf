#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Installs and purges all packages, on an overlay of the root: DKMS builds the
# modules, the unit is valid, and no file remains.
. "$(dirname "$0")/lib.sh"

if [ "${1-}" != inside ]; then
  mkdir "$top/upper" "$top/work" "$top/root"
  # The caller has a mount namespace of its own, which ends with it.
  if ! mount -t overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" overlay "$top/root"; then
    echo "skipped: this kernel has no overlay file system"
    exit 77
  fi
  for folder in proc sys dev src; do
    mount --rbind "/$folder" "$top/root/$folder"
  done
  mount -t tmpfs tmpfs "$top/root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$top/root/tmp"
  status=0
  chroot "$top/root" /src/tests/packages/install-purge.sh inside || status=$?
  umount -lR "$top/root"
  exit "$status"
fi

# Names and link targets of all files, and the system's users and groups. Without
# caches, logs, dpkg's records, depmod's files and the backups of the file of groups.
state() {
  find / -xdev \( -path /var/cache -o -path /var/log -o -path /root/.cache -o -path /var/lib/dpkg \
    -o -path '/usr/lib/modules/*/modules.*' -o -path '/etc/*-' \) -prune -o -printf '%p %l\n' | sort
  cat /etc/passwd /etc/group
}

dkms generate_mok # DKMS makes its key once, and keeps it
state >/tmp/before

export DEBIAN_FRONTEND=noninteractive
dpkg -i "$packages"/*.deb
getent group pvsched
for link in multi-user.target.wants/pvschedd.service sockets.target.wants/pvsched-deviced.socket; do
  test -L "/etc/systemd/system/$link" || fail "$link is not enabled"
done
for kernel in /usr/src/linux-headers-*-cloud-amd64; do
  kernel=${kernel##*/linux-headers-}
  find "/lib/modules/$kernel" -name 'pvsched.ko*' | grep . || fail "DKMS did not build pvsched.ko for $kernel"
  case $kernel in
  6.1.*) ;; # too old for a host
  *) find "/lib/modules/$kernel" -name 'pvsched_host.ko*' | grep . || fail "DKMS did not build pvsched_host.ko" ;;
  esac
done
for unit in $(dpkg -L pvsched pvsched-device | grep '^/usr/lib/systemd/system/.*\.'); do
  said=$(systemd-analyze verify --man=no "$unit" 2>&1) || fail "$said"
  [ -z "$said" ] || fail "$said"
done
for program in pvschedd pvschedctl pvsched-device pvsched-deviced pvsched-boot; do
  "$program" --version
done

mapfile -t names < <(dpkg-query -W -f '${Package}\n' 'pvsched*' libpvsched-dev)
dpkg --purge "${names[@]}"
state >/tmp/after
diff /tmp/before /tmp/after || fail "the packages left something behind"
