# SPDX-License-Identifier: Apache-2.0
#
# The suite `boot`: a small VM from the start of QEMU to its end, by pvsched-boot, on an
# idle or busy host; quiet, virtio-console and huge-pages change the VM. Leaves boot.json.
boots=2

boot_setup() { drop_guests; }

boot_measure() {
  local status=0
  case $1 in
    quiet) small_vm ttyS0 "quiet loglevel=5" ;;
    virtio-console) small_vm hvc0 "loglevel=7" ;;
    huge-pages)
      sysctl -qw vm.nr_hugepages=64
      small_vm ttyS0 "loglevel=7" -machine memory-backend=ram \
        -object "memory-backend-memfd,id=ram,size=128M,hugetlb=on,hugetlbsize=2M"
      ;;
    *) small_vm ttyS0 "loglevel=7" ;;
  esac
  [ "$1" != busy ] || start_load $((boot_limit + 60))
  timeout $boot_limit pvsched-boot -n $boots --json -- "${vm[@]}" </dev/null >"$round/boot.json" 2>"$round/boot.log" &&
    came_to_its_end || wrong "no $boots boots in $boot_limit s: $(tail -qn 1 "$round/boot.log")" || status=1
  [ "$1" != huge-pages ] || sysctl -qw vm.nr_hugepages=0
  [ "$1" != busy ] || { kill "$stress" && wait "$stress"; }
  return $status
}
