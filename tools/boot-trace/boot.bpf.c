// SPDX-License-Identifier: GPL-2.0
/*
 * The events of a VM's boot, of the processes of one command only. Everything is
 * counted here, in the kernel: no event is handed over, so none can be dropped.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "tools/boot-trace/layout.h"

#define SIGCHLD 17
#define EINTR 4
#define KVM_EXIT_INTR 10
#define KVM_PIO_OUT 1

/* libbpf relocates each access by the running kernel's BTF, as in kernel_types.h. */
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
	__u64 last_tsc_nsec; /* when the TSC of any vCPU was last set */
};

struct kvm {
	struct kvm_arch arch;
};

struct kvm_vcpu_arch {
	__u64 this_tsc_nsec; /* when its TSC was this_tsc_write */
	__u64 this_tsc_write;
	unsigned int virtual_tsc_khz;
};

struct kvm_vcpu {
	struct kvm *kvm;
	struct kvm_vcpu_arch arch;
};

/* Records of the tracepoints: kvm_exit's arguments do not hold the reason. */
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

/* What user space writes to tell of itself. */
const volatile __u32 mark_port;
const volatile __u64 mark_value;

/* Exits and processes for which there was no room. */
__u64 lost_exits;
__u64 lost_processes;

/* The command's processes, by tgid. The recorder puts the first one in. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PVS_BOOT_MAX_PROCESSES);
	__type(key, __u32);
	__type(value, struct pvs_boot_process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PVS_BOOT_MAX_EXITS);
	__type(key, struct pvs_boot_exit);
	__type(value, __u64);
} exits SEC(".maps");

/* All that an event of somebody else's costs. */
static __always_inline struct pvs_boot_process *current_process(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&processes, &tgid);
}

/* Of several vCPUs the first: which of two at once is no matter. */
static __always_inline void note_once(__u64 *when)
{
	if (!*when)
		*when = bpf_ktime_get_ns();
}

static __always_inline int add_one(const struct pvs_boot_exit *key)
{
	__u64 *count = bpf_map_lookup_elem(&exits, key), zero = 0;

	if (!count) {
		/* Another vCPU may have been first: the lookup tells. */
		bpf_map_update_elem(&exits, key, &zero, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&exits, key);
	}
	if (!count)
		return -1;
	__sync_fetch_and_add(count, 1);
	return 0;
}

static __always_inline void count_exit(const struct pvs_boot_process *process, __u16 kind,
				       __u32 reason)
{
	__u64 bucket = (bpf_ktime_get_ns() - process->exec_ns) / PVS_BOOT_BUCKET_NS;
	struct pvs_boot_exit key = {
		.reason = reason,
		.bucket = bucket < PVS_BOOT_LAST_BUCKET ? bucket : PVS_BOOT_LAST_BUCKET,
		.kind = kind,
	};

	if (!add_one(&key))
		return;
	key.bucket = PVS_BOOT_LAST_BUCKET;
	if (add_one(&key))
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
	copy.exec_ns = process->exec_ns;
	if (bpf_map_update_elem(&processes, &tgid, &copy, BPF_ANY))
		__sync_fetch_and_add(&lost_processes, 1);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int pvs_boot_exec(void *ctx)
{
	struct pvs_boot_process *process = current_process();

	if (process)
		process->exec_ns = bpf_ktime_get_ns();
	return 0;
}

/*
 * sched_process_exit would be before memory and files are given back, of which a
 * VMM has much; the signal to its parent is after that.
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
	if (process->seen_ns || process->entered_ns) {
		process->ended_ns = bpf_ktime_get_ns();
		return 0;
	}
	/* Its number may be a stranger's next. */
	tgid = task->tgid;
	bpf_map_delete_elem(&processes, &tgid);
	return 0;
}

/* Each vCPU's TSC is set when it is made, and by the VMM's reset. */
SEC("raw_tp/kvm_track_tsc")
int pvs_boot_tsc(void *ctx)
{
	struct pvs_boot_process *process = current_process();

	if (!process)
		return 0;
	note_once(&process->made_ns);
	if (!process->entered_ns)
		process->tsc_set_ns = bpf_ktime_get_ns();
	return 0;
}

/*
 * KVM takes most of these writes for one in step with an earlier one, and does not let
 * the TSC begin anew; which, it decides by the time between them, and by what was
 * written. So KVM is asked what it made of them: its times are by a clock that BPF
 * cannot read, but the latest of them is that of the latest write.
 */
static __always_inline __u64 tsc_zero(const struct pvs_boot_process *process,
				      const struct kvm_vcpu *vcpu)
{
	__u64 khz = BPF_CORE_READ(vcpu, arch.virtual_tsc_khz);
	__u64 cycles = BPF_CORE_READ(vcpu, arch.this_tsc_write);
	__u64 latest = BPF_CORE_READ(vcpu, kvm, arch.last_tsc_nsec);

	if (!process->tsc_set_ns || !khz)
		return 0;
	return process->tsc_set_ns - (latest - BPF_CORE_READ(vcpu, arch.this_tsc_nsec)) -
	       (cycles / khz * 1000000 + cycles % khz * 1000000 / khz);
}

SEC("raw_tp/kvm_entry")
int pvs_boot_entry(struct bpf_raw_tracepoint_args *ctx)
{
	struct pvs_boot_process *process = current_process();

	if (!process || process->entered_ns)
		return 0;
	process->tsc_ns = tsc_zero(process, (const struct kvm_vcpu *)ctx->args[0]);
	process->entered_ns = bpf_ktime_get_ns();
	return 0;
}

/* A program on a tracepoint that returns 0 hides the event from perf. */
#define LEAVE_TO_PERF 1

SEC("tracepoint/kvm/kvm_exit")
int pvs_boot_exit(struct trace_event_raw_kvm_exit *ctx)
{
	struct pvs_boot_process *process = current_process();

	if (process)
		count_exit(process, ctx->isa, ctx->exit_reason);
	return LEAVE_TO_PERF;
}

SEC("raw_tp/kvm_userspace_exit")
int pvs_boot_userspace_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pvs_boot_process *process = current_process();

	if (!process)
		return 0;
	note_once(&process->seen_ns);
	/* A signal's is not in kvm_run's reason, but an earlier one. */
	count_exit(process, PVS_BOOT_EXIT_TO_VMM,
		   (int)ctx->args[1] == -EINTR ? KVM_EXIT_INTR : (__u32)ctx->args[0]);
	return 0;
}

SEC("tracepoint/kvm/kvm_pio")
int pvs_boot_pio(struct trace_event_raw_kvm_pio *ctx)
{
	struct pvs_boot_process *process;

	if (ctx->rw != KVM_PIO_OUT)
		return LEAVE_TO_PERF;
	process = current_process();
	if (!process)
		return LEAVE_TO_PERF;
	note_once(&process->seen_ns);
	if (ctx->port != mark_port || process->marked_ns)
		return LEAVE_TO_PERF;
	if (mark_value == PVS_BOOT_ANY_VALUE || ctx->val == mark_value)
		process->marked_ns = bpf_ktime_get_ns();
	else
		process->other_writes++;
	return LEAVE_TO_PERF;
}

char _license[] SEC("license") = "GPL";
