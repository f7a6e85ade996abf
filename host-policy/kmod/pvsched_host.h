/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * /dev/pvsched_host: the threads whose scheduling parameters BPF programs may
 * set through the kfunc pvsched_host_apply(slot, grant).
 *
 * Who opens the device (CAP_SYS_NICE; one at a time) registers threads, each
 * under a slot number of its choice. What closes it, be it the end of the
 * process, gives every thread its own parameters back.
 *
 * All calls are thread-safe; errors are those of ioctl(2).
 */
#ifndef PVSCHED_HOST_H
#define PVSCHED_HOST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "host-policy/core/sched_params.h"

#define PVSCHED_HOST_DEVICE "pvsched_host"

/* Changes with the meaning of anything here, the kfunc included. */
#define PVSCHED_HOST_VERSION 1

struct pvsched_host_target {
	__u32 slot;
	__s32 tid; /* in the caller's pid namespace */
};

struct pvsched_host_state {
	__u32 slot; /* in */
	__u32 is_applied; /* `now` is the module's doing */
	struct pvs_sched_params own;
	struct pvs_sched_params now;
};

struct pvsched_host_stats {
	__u64 calls; /* of sched_setattr, since the device was opened */
	__u64 failures;
	__u64 deferred; /* grants that had to wait for the module's thread */
};

/* The argument is an __u32 to write PVSCHED_HOST_VERSION to. */
#define PVSCHED_HOST_GET_VERSION _IOR('V', 0xe0, __u32)
/* EEXIST: the slot is taken. ESRCH: no such thread. EINVAL: a kernel thread. */
#define PVSCHED_HOST_ADD _IOW('V', 0xe1, struct pvsched_host_target)
/*
 * The thread has its own parameters back when this returns, unless an admin
 * has set others since. The argument is the slot number. ENOENT: it is free.
 */
#define PVSCHED_HOST_REMOVE _IO('V', 0xe2)
/* ENOENT: the slot is free. */
#define PVSCHED_HOST_READ _IOWR('V', 0xe3, struct pvsched_host_state)
#define PVSCHED_HOST_STATS _IOR('V', 0xe4, struct pvsched_host_stats)

#endif /* PVSCHED_HOST_H */
