/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * Interface between pvsched-boot's BPF programs and its recorder. Every time is
 * CLOCK_MONOTONIC in ns; 0 means that the event has not happened.
 */
#ifndef PVSCHED_BOOT_INTF_H
#define PVSCHED_BOOT_INTF_H

#include <linux/types.h>

/* A process of the measured command. The VMM is the process that ran a vCPU. */
struct pvs_boot_process {
	__u64 exec_at; /* latest exec; a forked child inherits its parent's */
	__u64 vcpu_made_at; /* KVM created the first vCPU */
	__u64 tsc_written_at; /* last write of a vCPU's TSC before the first guest entry */
	__u64 tsc_zero_at; /* when the TSC of the vCPU that entered first was 0 */
	__u64 entered_at; /* first guest entry of any vCPU */
	__u64 first_exit_at; /* first exit to the VMM or I/O; a software KVM has no guest entry */
	__u64 marked_at; /* the guest's user space wrote the mark */
	__u64 ended_at; /* SIGCHLD to the parent: memory and files are released */
	__u64 other_writes; /* other values written to the port before the mark */
};

/* Exits are counted in buckets from the VMM's exec. The last bucket is open-ended. */
#define PVS_BOOT_BUCKET_NS 5000000ULL
#define PVS_BOOT_LAST_BUCKET 0xffff

/* The first two have the values of KVM_ISA_VMX and KVM_ISA_SVM in kvm_exit's record. */
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

#define PVS_BOOT_PROCESSES_MAX 4096
#define PVS_BOOT_EXITS_MAX 131072

/* The mark by default: what boot-init and boot_mark.ko write. */
#define PVS_BOOT_DEFAULT_PORT 0x80
#define PVS_BOOT_DEFAULT_VALUE 0x5a
/* Instead of the mark's value: the first write of any value is the mark. */
#define PVS_BOOT_ANY_VALUE 0xffffffffffffffffULL

#endif /* PVSCHED_BOOT_INTF_H */
