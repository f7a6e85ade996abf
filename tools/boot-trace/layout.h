/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What pvsched-boot's BPF programs and its recorder share. All times are
 * CLOCK_MONOTONIC in ns; 0: it has not happened.
 */
#ifndef PVSCHED_BOOT_LAYOUT_H
#define PVSCHED_BOOT_LAYOUT_H

#include <linux/types.h>

/* A process of the command. That of the VMM is the one that ran a vCPU. */
struct pvs_boot_process {
  __u64 exec_ns;      /* its latest; a forked child's is its parent's */
  __u64 made_ns;      /* its first vCPU was made */
  __u64 tsc_set_ns;   /* the TSC of a vCPU was last set, before a vCPU entered the guest */
  __u64 tsc_ns;       /* the TSC of the vCPU that entered first was 0 */
  __u64 entered_ns;   /* a vCPU first entered the guest */
  __u64 seen_ns;      /* any other sign of a vCPU: a software KVM enters nothing */
  __u64 marked_ns;    /* the guest's user space told of itself */
  __u64 ended_ns;     /* its parent was told: memory and files are given back */
  __u64 other_writes; /* to the same port, before that, of other values */
};

/* From the exec of the VMM; what is later is counted in the last bucket. */
#define PVS_BOOT_BUCKET_NS 5000000ULL
#define PVS_BOOT_LAST_BUCKET 0xffff

/* VMX and SVM as KVM numbers them; exits that KVM hands on to the VMM. */
enum pvs_boot_exit_kind {
  PVS_BOOT_EXIT_VMX = 1,
  PVS_BOOT_EXIT_SVM = 2,
  PVS_BOOT_EXIT_TO_VMM = 3,
};

struct pvs_boot_exit {
  __u32 reason;
  __u16 bucket;
  __u16 kind; /* enum pvs_boot_exit_kind */
};

#define PVS_BOOT_MAX_PROCESSES 4096
#define PVS_BOOT_MAX_EXITS 131072

/* As a value to look for: any will do. */
#define PVS_BOOT_ANY_VALUE 0xffffffffffffffffULL

#endif /* PVSCHED_BOOT_LAYOUT_H */
