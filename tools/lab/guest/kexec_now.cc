// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// kexec-now KERNEL INITRD CMDLINE: loads a kernel and starts it by kexec, like kexec-tools.
// The shutdown hooks of device drivers run first.

#include <fcntl.h>
#include <linux/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: kexec-now KERNEL INITRD CMDLINE\n");
    return 2;
  }
  const int kernel = open(argv[1], O_RDONLY | O_CLOEXEC);
  const int initrd = open(argv[2], O_RDONLY | O_CLOEXEC);
  if (kernel < 0 || initrd < 0) {
    perror("kexec-now: open");
    return 1;
  }
  if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], 0UL) != 0) {
    perror("kexec-now: kexec_file_load");
    return 1;
  }
  syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, nullptr);
  perror("kexec-now: reboot");
  return 1;
}
