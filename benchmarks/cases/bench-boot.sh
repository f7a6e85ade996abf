# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The suite `boot`: pvsched-boot measures a small VM from exec of QEMU to its end, on an
# idle or a busy host. The cases talking (kernel not quiet), virtio-console (not quiet
# either) and huge-pages change the VM. Result: boot.json.

boot_setup() { drop_guests; }

boot_measure() {
  local status=0 append="console=ttyS0 quiet" options=(-serial "file:$round/console")
  case $1 in
    talking) append=console=ttyS0 ;;
    virtio-console)
      append=console=hvc0
      options=(-device virtio-serial-pci -device "virtconsole,chardev=c" -chardev "file,id=c,path=$round/console")
      ;;
    huge-pages)
      mkdir -p /dev/hugepages
      mountpoint -q /dev/hugepages || mount -t hugetlbfs hugetlbfs /dev/hugepages
      sysctl -qw vm.nr_hugepages=96
      options+=(-mem-path /dev/hugepages -mem-prealloc)
      ;;
  esac
  boot_boost_for "$policy" || return 1
  [ "$1" != busy ] || start_load
  # A guest kernel that panics ends QEMU, too, but it reports no user space.
  { pvsched-boot --json -- timeout "$boot_limit" lab-guest boot --append "$append" -- "${options[@]}" \
    </dev/null >"$round/boot.json" 2>"$round/boot.log" &&
    jq -e '.commands[0].runs | all(.[]; .ms.exec_to_userspace)' "$round/boot.json" >/dev/null; } ||
    wrong "a VM did not boot to its end in $boot_limit s: $(tail -n 1 "$round/boot.log")" || status=1
  [ "$1" != huge-pages ] || sysctl -qw vm.nr_hugepages=0
  [ "$1" != busy ] || end_load
  return $status
}
