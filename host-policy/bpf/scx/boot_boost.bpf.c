// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The boot boost: for a while after a VM is created, its VMM's threads have the
 * full credit of a sleeper and more weight. So a short-lived VM boots and ends
 * soon on a busy host that is fair to older tasks.
 */

/* Runs in the VMM, once per VM. */
SEC("?fentry/kvm_arch_init_vm")
int BPF_PROG(pvs_kvm_arch_init_vm)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 now = bpf_ktime_get_ns();

	if (!pvs_boot_boost_ns)
		return 0;
	bpf_map_update_elem(&vm_created_at, &tgid, &now, BPF_ANY);
	PVS_STORE(pvs_boot_boost_until, now + pvs_boot_boost_ns);
	return 0;
}

/* The end of the task's boot boost; 0: it has none. */
static __always_inline __u64 boot_boost_until(struct task_struct *p, __u64 now)
{
	__u32 tgid = p->tgid;
	__u64 *created_at, until;

	if (now >= pvs_boot_boost_until)
		return 0;
	created_at = bpf_map_lookup_elem(&vm_created_at, &tgid);
	if (!created_at)
		return 0;
	until = *created_at + pvs_boot_boost_ns;
	return now < until ? until : 0;
}
