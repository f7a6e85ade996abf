/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The boot profile: for a while after a VM is made, its VMM's threads, vCPUs and
 * all, go first among ordinary tasks and have more weight. So a short-lived VM is
 * up and gone again while a busy host is still fair to everything older.
 */
#ifndef PVSCHED_BOOT_H
#define PVSCHED_BOOT_H

#include "host-policy/bpf/kernel_types.bpf.h"
#include "host-policy/bpf/maps.bpf.c"

/* Times a task's own weight: bounds what a host that makes VM after VM loses. */
#define PVS_BOOT_WEIGHT 4

/* Until which age; by pvschedd, 0: never. */
__u64 pvs_boot_ns;
/* Until when any VM is that young: spares every other task the look. */
__u64 pvs_young_until;

/* When a process made its VM. The eldest make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} young SEC(".maps");

/* In the VMM, once for each VM. */
SEC("?fentry/kvm_arch_init_vm")
int BPF_PROG(pvs_kvm_arch_init_vm)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 now = bpf_ktime_get_ns();

	if (!pvs_boot_ns)
		return 0;
	bpf_map_update_elem(&young, &tgid, &now, BPF_ANY);
	PVS_STORE(pvs_young_until, now + pvs_boot_ns);
	return 0;
}

/* Until when the task is of a young VM; 0: it is not. */
static __always_inline __u64 young_until(struct task_struct *p, __u64 now)
{
	__u32 tgid = p->tgid;
	__u64 *made, until;

	if (now >= pvs_young_until)
		return 0;
	made = bpf_map_lookup_elem(&young, &tgid);
	if (!made)
		return 0;
	until = *made + pvs_boot_ns;
	return now < until ? until : 0;
}

#endif /* PVSCHED_BOOT_H */
