// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Traces the boot of the VMs that one command starts. Times and exits are aggregated
 * in maps, not sent through a ring buffer, so no event is dropped under load.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "tools/boot-trace/bpf/intf.h"

#define SIGCHLD 17
#define EINTR 4
#define KVM_EXIT_INTR 10
#define KVM_PIO_OUT 1

/* The members used here; libbpf relocates each access by the running kernel's BTF. */
#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)
struct signal_struct {
	struct {
		int counter;
	} live; /* threads that have not begun to exit */
};

struct task_struct {
	int pid;
	int tgid;
	struct signal_struct *signal;
};

struct kvm_arch {
	__u64 last_tsc_nsec; /* time of the VM's latest TSC write */
};

struct kvm {
	struct kvm_arch arch;
};

struct kvm_vcpu_arch {
	__u64 this_tsc_nsec; /* when the vCPU's TSC had the value this_tsc_write */
	__u64 this_tsc_write;
	unsigned int virtual_tsc_khz;
};

struct kvm_vcpu {
	struct kvm *kvm;
	struct kvm_vcpu_arch arch;
};

/* Records of perf tracepoints: kvm_exit's raw arguments do not hold the reason. */
struct trace_event_raw_kvm_exit {
	unsigned int exit_reason;
	__u32 isa;
};

struct trace_event_raw_kvm_pio {
	unsigned int rw;
	unsigned int port;
	unsigned int val;
};
#pragma clang attribute pop

/* The mark: the write by which the guest's user space reports that it runs. */
const volatile __u32 mark_port;
const volatile __u64 mark_value;

/* Exits and processes that did not fit into the maps. */
__u64 lost_exits;
__u64 lost_processes;

/* The command's processes by tgid. The recorder inserts the first; forks add the rest. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PVS_BOOT_PROCESSES_MAX);
	__type(key, __u32);
	__type(value, struct pvs_boot_process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PVS_BOOT_EXITS_MAX);
	__type(key, struct pvs_boot_exit);
	__type(value, __u64);
} exits SEC(".maps");

/* NULL if another command's process caused the event. */
static __always_inline struct pvs_boot_process *current_process(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&processes, &tgid);
}

/* Not atomic: if two vCPUs race, their times differ by less than matters here. */
static __always_inline void set_time_once(__u64 *time)
{
	if (!*time)
		*time = bpf_ktime_get_ns();
}

static __always_inline int increment(const struct pvs_boot_exit *key)
{
	__u64 *count = bpf_map_lookup_elem(&exits, key), zero = 0;

	if (!count) {
		/* Another vCPU may insert the key first: the result is not needed. */
		bpf_map_update_elem(&exits, key, &zero, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&exits, key);
	}
	if (!count)
		return -1;
	__sync_fetch_and_add(count, 1);
	return 0;
}

/* If the map is full, the exit is counted in the last bucket of its reason. */
static __always_inline void count_exit(const struct pvs_boot_process *process, __u16 kind,
				       __u32 reason)
{
	__u64 bucket = (bpf_ktime_get_ns() - process->exec_at) / PVS_BOOT_BUCKET_NS;
	struct pvs_boot_exit key = {
		.reason = reason,
		.bucket = bucket < PVS_BOOT_LAST_BUCKET ? bucket : PVS_BOOT_LAST_BUCKET,
		.kind = kind,
	};

	if (!increment(&key))
		return;
	key.bucket = PVS_BOOT_LAST_BUCKET;
	if (increment(&key))
		__sync_fetch_and_add(&lost_exits, 1);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(pvs_boot_fork, struct task_struct *parent, struct task_struct *child)
{
	struct pvs_boot_process *process = current_process(), copy = {};
	__u32 tgid;

	if (!process || !child)
		return 0;
	if (child->tgid != child->pid)
		return 0; /* a thread */
	tgid = child->tgid;
	copy.exec_at = process->exec_at;
	if (bpf_map_update_elem(&processes, &tgid, &copy, BPF_ANY))
		__sync_fetch_and_add(&lost_processes, 1);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int pvs_boot_exec(void *ctx)
{
	struct pvs_boot_process *process = current_process();

	if (process)
		process->exec_at = bpf_ktime_get_ns();
	return 0;
}

/*
 * The end of a process is its SIGCHLD. sched_process_exit fires before exit_mm() and
 * exit_files(), which take long for a VMM.
 */
SEC("tp_btf/signal_generate")
int BPF_PROG(pvs_boot_end, int sig)
{
	struct pvs_boot_process *process;
	struct task_struct *task;
	__u32 tgid;

	if (sig != SIGCHLD)
		return 0;
	process = current_process();
	if (!process)
		return 0;
	task = bpf_get_current_task_btf();
	if (task->signal->live.counter)
		return 0;
	if (process->first_exit_at || process->entered_at) {
		process->ended_at = bpf_ktime_get_ns();
		return 0;
	}
	/* The kernel may reuse the tgid for a process of another command. */
	tgid = task->tgid;
	bpf_map_delete_elem(&processes, &tgid);
	return 0;
}

/* KVM writes the TSC when it creates a vCPU and when the VMM resets it. */
SEC("raw_tp/kvm_track_tsc")
int pvs_boot_tsc(void *ctx)
{
	struct pvs_boot_process *process = current_process();

	if (!process)
		return 0;
	set_time_once(&process->vcpu_made_at);
	if (!process->entered_at)
		process->tsc_written_at = bpf_ktime_get_ns();
	return 0;
}

/*
 * When the vCPU's TSC was 0, in CLOCK_MONOTONIC. KVM treats most TSC writes as a
 * synchronization with an earlier write and does not restart the TSC. So the result is
 * computed from the write that KVM kept, not from the latest write. KVM's times are of
 * a clock that BPF cannot read; last_tsc_nsec, the time of the latest write, is the
 * common point: our program saw the same write at tsc_written_at.
 */
static __always_inline __u64 tsc_zero(const struct pvs_boot_process *process,
				      const struct kvm_vcpu *vcpu)
{
	__u64 khz = BPF_CORE_READ(vcpu, arch.virtual_tsc_khz);
	__u64 cycles = BPF_CORE_READ(vcpu, arch.this_tsc_write);
	__u64 latest = BPF_CORE_READ(vcpu, kvm, arch.last_tsc_nsec);

	if (!process->tsc_written_at || !khz)
		return 0;
	return process->tsc_written_at - (latest - BPF_CORE_READ(vcpu, arch.this_tsc_nsec)) -
	       (cycles / khz * 1000000 + cycles % khz * 1000000 / khz);
}

SEC("raw_tp/kvm_entry")
int pvs_boot_entry(struct bpf_raw_tracepoint_args *ctx)
{
	struct pvs_boot_process *process = current_process();

	if (!process || process->entered_at)
		return 0;
	process->tsc_zero_at = tsc_zero(process, (const struct kvm_vcpu *)ctx->args[0]);
	process->entered_at = bpf_ktime_get_ns();
	return 0;
}

/* A perf tracepoint program that returns 0 hides the event from perf. */
#define KEEP_FOR_PERF 1

SEC("tracepoint/kvm/kvm_exit")
int pvs_boot_exit(struct trace_event_raw_kvm_exit *ctx)
{
	struct pvs_boot_process *process = current_process();

	if (process)
		count_exit(process, ctx->isa, ctx->exit_reason);
	return KEEP_FOR_PERF;
}

SEC("raw_tp/kvm_userspace_exit")
int pvs_boot_userspace_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pvs_boot_process *process = current_process();

	if (!process)
		return 0;
	set_time_once(&process->first_exit_at);
	/* On -EINTR kvm_run still holds the reason of an earlier exit. */
	count_exit(process, PVS_BOOT_EXIT_TO_VMM,
		   (int)ctx->args[1] == -EINTR ? KVM_EXIT_INTR : (__u32)ctx->args[0]);
	return 0;
}

SEC("tracepoint/kvm/kvm_pio")
int pvs_boot_pio(struct trace_event_raw_kvm_pio *ctx)
{
	struct pvs_boot_process *process;

	if (ctx->rw != KVM_PIO_OUT)
		return KEEP_FOR_PERF;
	process = current_process();
	if (!process)
		return KEEP_FOR_PERF;
	set_time_once(&process->first_exit_at);
	if (ctx->port != mark_port || process->marked_at)
		return KEEP_FOR_PERF;
	if (mark_value == PVS_BOOT_ANY_VALUE || ctx->val == mark_value)
		process->marked_at = bpf_ktime_get_ns();
	else
		process->other_writes++;
	return KEEP_FOR_PERF;
}

char _license[] SEC("license") = "GPL";
