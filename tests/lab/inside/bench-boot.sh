# SPDX-License-Identifier: Apache-2.0
#
# The suite `boot`: a small VM from the start of QEMU to its end, on an idle or busy host;
# cases quiet, virtio-console and huge-pages change the VM. Leaves times: s, a boot a line.
boots=2

boot_setup() { drop_guests; }

boot_measure() {
  local k start options=(ttyS0 "loglevel=7") status=0
  boot_limit=90
  case $1 in
    quiet) options=(ttyS0 "quiet loglevel=5") ;;
    virtio-console) options=(hvc0 "loglevel=7") ;;
    huge-pages)
      options=(ttyS0 "loglevel=7" -machine memory-backend=ram
        -object memory-backend-memfd,id=ram,size=128M,hugetlb=on,hugetlbsize=2M)
      sysctl -qw vm.nr_hugepages=64
      ;;
  esac
  [ "$1" != busy ] || start_load $((boots * boot_limit + 30))
  for ((k = 0; k < boots; k++)); do
    start=$(now)
    boot_vm "${options[@]}" || wrong "a VM did not boot to its end in $boot_limit s: $(tail -n 1 "$round/qemu.log")" || status=1
    calc "$(now) - $start" >>"$round/times"
    [ $status = 0 ] || break
  done
  [ "$1" != huge-pages ] || sysctl -qw vm.nr_hugepages=0
  [ "$1" != busy ] || { kill "$stress" && wait "$stress"; }
  return $status
}
