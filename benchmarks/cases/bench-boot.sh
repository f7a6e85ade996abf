# SPDX-License-Identifier: Apache-2.0
#
# The suite `boot`: a small VM from the start of QEMU to its end, by pvsched-boot, on an
# idle or busy host; talking (the kernel is not quiet), virtio-console (nor there) and
# huge-pages change the VM. Leaves boot.json.
boot_limit=150 # s, for one; with EEVDF it takes a busy emulated host 40 to 100

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
  for_long_boots "$policy" || return 1
  [ "$1" != busy ] || start_load
  # A kernel that panics ends QEMU, too: it has not told of its user space.
  { pvsched-boot --json -- timeout $boot_limit lab-guest boot --append "$append" -- "${options[@]}" \
    </dev/null >"$round/boot.json" 2>"$round/boot.log" &&
    jq -e '.commands[0].runs | all(.[]; .ms.exec_to_userspace)' "$round/boot.json" >/dev/null; } ||
    wrong "a VM did not boot to its end in $boot_limit s: $(tail -n 1 "$round/boot.log")" || status=1
  [ "$1" != huge-pages ] || sysctl -qw vm.nr_hugepages=0
  [ "$1" != busy ] || end_load
  return $status
}
