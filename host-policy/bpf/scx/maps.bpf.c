/* SPDX-License-Identifier: GPL-2.0 */
/* The maps and variables that only the scheduler's object has. */
#ifndef PVSCHED_SCX_MAPS_BPF_C
#define PVSCHED_SCX_MAPS_BPF_C

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "host-policy/bpf/intf.h"

/* Of the scheduler: one more than the number of the last that the host may have. */
const volatile __u32 pvs_nr_cpus;
const volatile __u32 pvs_nr_nodes;

struct pvs_scx_exit pvs_scx_exit;

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pvs_task_ctx);
} task_ctxs SEC(".maps");

#endif /* PVSCHED_SCX_MAPS_BPF_C */
