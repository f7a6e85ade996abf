/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * /dev/pvsched_host: registers the threads whose scheduling parameters BPF
 * programs may set through the kfunc pvsched_host_apply(slot, grant).
 *
 * One process with CAP_SYS_NICE opens the device at a time. It registers each
 * thread under a slot of its choice. Closing the device, also by the end of the
 * process, restores the baseline of every registered thread.
 *
 * All calls are thread-safe; errors are those of ioctl(2).
 */
#ifndef PVSCHED_HOST_H
#define PVSCHED_HOST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "host-policy/core/sched_params.h"

#define PVSCHED_HOST_DEVICE "pvsched_host"

/* Changes with the meaning of any part of this interface or of the kfunc. */
#define PVSCHED_HOST_VERSION 1

struct pvsched_host_target {
	__u32 slot;
	__s32 tid; /* in the caller's pid namespace */
};

struct pvsched_host_state {
	__u32 slot; /* in */
	__u32 is_applied; /* the module has set `now` */
	struct pvs_sched_params baseline;
	struct pvs_sched_params now;
};

struct pvsched_host_stats {
	__u64 calls; /* of sched_setattr, since the device was opened */
	__u64 failures;
	__u64 deferred; /* grants left to the module's thread */
};

/* The argument points to a __u32 for PVSCHED_HOST_VERSION. */
#define PVSCHED_HOST_GET_VERSION _IOR('V', 0xe0, __u32)
/* EEXIST: the slot is in use. ESRCH: no such thread. EINVAL: a kernel thread. */
#define PVSCHED_HOST_ADD _IOW('V', 0xe1, struct pvsched_host_target)
/*
 * Restores the thread's baseline before return, unless an admin has changed the
 * thread's parameters since. The argument is the slot. ENOENT: the slot is free.
 */
#define PVSCHED_HOST_REMOVE _IO('V', 0xe2)
/* ENOENT: the slot is free. */
#define PVSCHED_HOST_READ _IOWR('V', 0xe3, struct pvsched_host_state)
#define PVSCHED_HOST_STATS _IOR('V', 0xe4, struct pvsched_host_stats)

#endif /* PVSCHED_HOST_H */
