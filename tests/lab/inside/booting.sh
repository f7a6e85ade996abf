# SPDX-License-Identifier: Apache-2.0
#
# A small VM that boots to user space, whose first process tells of itself and resets it.
boot_limit=180 # s, for one

# small_vm [CONSOLE [KERNEL-OPTIONS [QEMU-OPTION...]]]: sets $vm, the command that runs it.
# CONSOLE is ttyS0 or hvc0; it goes to $round/console.
small_vm() {
  # reboot=t: a triple fault, which ends QEMU at once. The rest spares an emulated host.
  local append="console=${1-ttyS0} ${2-quiet loglevel=5} panic=-1 reboot=t rdinit=/bin/boot-init random.trust_cpu=on"
  append+=" cryptomgr.notests=1 mitigations=off nokaslr init_on_alloc=0 pci=lastbus=0 -- reboot"
  local console=(-serial "file:$round/console")
  [ "${1-}" != hvc0 ] || console=(-device virtio-serial-pci -chardev "file,id=console,path=$round/console"
    -device "virtconsole,chardev=console")
  vm=(qemu-system-x86_64 -M "q35,sata=off,smbus=off,vmport=off,accel=kvm" -cpu host -m 128
    -nodefaults -no-user-config -display none -no-reboot "${console[@]}"
    -kernel /boot/lab-vmlinux -initrd /lab/guest/initramfs -append "$append" "${@:3}")
}

# A kernel that panics ends QEMU, too.
came_to_its_end() { grep -q 'reboot: Restarting system' "$round/console"; }

boot_vm() { timeout $boot_limit "${vm[@]}" </dev/null >"$round/qemu.log" 2>&1 && came_to_its_end; }
