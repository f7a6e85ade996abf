/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The bounds of the boot boost, which favours the threads of a new VM.
 *
 * A VM's boost is an amount of CPU time, the tunable boot-time. A slow host
 * uses more wall-clock time for a boot, but not less of the boost. The boost
 * also ends at an age.
 *
 * Two pools limit the boosted CPU time of all VMs, whether they run one after
 * another or at once: the pool of the user who created them, and the pool of
 * the host. A pool is a leaky bucket: it holds a share of the host's CPU time
 * of one window, and refills at that share. A new VM opens no new pool.
 *
 * A pool is one number, the time at which it will be full again. CPUs change it
 * by atomic operations. Times are ns.
 */
#ifndef PVSCHED_CORE_BOOT_BOOST_H
#define PVSCHED_CORE_BOOT_BOOST_H

#include "host-policy/core/param.h"

/*
 * boot-boost-age: ms 100..3600000. The age of a VM at which its boot boost
 * ends, whatever CPU time is left.
 */
PVS_PARAM(__u64, pvs_param_boot_boost_age, 120000 * PVS_MS);
/*
 * boot-boost-window: ms 100..3600000. The time in which an empty pool fills
 * up. It is the length of a burst of boots that has the boost throughout.
 */
PVS_PARAM(__u64, pvs_param_boot_boost_window, 600000 * PVS_MS);
/*
 * boot-boost-user-share: percent 1..100. The share of the host's CPU time that
 * VMs created by one user may have boosted, averaged over boot-boost-window.
 */
PVS_PARAM(__u32, pvs_param_boot_boost_user_share, 25);
/*
 * boot-boost-share: percent 1..100. The same share for the VMs of all users.
 */
PVS_PARAM(__u32, pvs_param_boot_boost_share, 50);

/* Of a process that created a VM. */
struct pvs_boot_boost {
	__u64 until; /* end by age */
	__u64 used_ns; /* CPU time of its threads while boosted */
	__u32 uid; /* who created the VM */
	__u32 reserved;
};

PVS_INLINE int pvs_boot_boost_is_on(const struct pvs_boot_boost *b, __u64 budget_ns,
				    __u64 now)
{
	return now < b->until && b->used_ns < budget_ns;
}

PVS_INLINE int pvs_boot_pool_is_empty(__u64 full_at, __u64 now)
{
	return (__s64)(full_at - now) >= (__s64)pvs_param_boot_boost_window;
}

/* Takes CPU time out of a pool that refills at `percent` of `cpus` CPUs. */
PVS_INLINE void pvs_boot_pool_charge(__u64 *full_at, __u64 used, __u32 percent,
				     __u32 cpus, __u64 now)
{
	__u64 at = *(const volatile __u64 *)full_at;
	__u32 rate = percent * cpus;

	/* A failed exchange means that another CPU has just done this. */
	if ((__s64)(at - now) < 0)
		__sync_val_compare_and_swap(full_at, at, now);
	__sync_fetch_and_add(full_at, used * 100 / (rate ? rate : 1));
}

#endif /* PVSCHED_CORE_BOOT_BOOST_H */
