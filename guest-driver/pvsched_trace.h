/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pvsched

#if !defined(PVSCHED_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define PVSCHED_TRACE_H

#include <linux/tracepoint.h>

#include "pvsched_names.h"

#define pvsched_print_flags(flags, ...) __print_flags(flags, "|", __VA_ARGS__)

/* The vCPU finds a grant that differs from the last traced grant. */
TRACE_EVENT(pvsched_grant,
	TP_PROTO(u32 vcpu_id, u64 grant),

	TP_ARGS(vcpu_id, grant),

	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u8, policy)
		__field(s8, nice)
		__field(u8, rt_prio)
		__field(u8, flags)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->policy = pvsched_word_policy(grant);
		__entry->nice = pvsched_word_nice(grant);
		__entry->rt_prio = pvsched_word_rt_prio(grant);
		__entry->flags = pvsched_word_flags(grant);
	),

	TP_printk("vcpu_id=%u policy=%s nice=%d rt_prio=%u flags=%s",
		  __entry->vcpu_id,
		  PVSCHED_POLICY_NAMES(__print_symbolic, __entry->policy),
		  __entry->nice, __entry->rt_prio,
		  PVSCHED_GRANT_NAMES(pvsched_print_flags, __entry->flags))
);

#endif /* PVSCHED_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE pvsched_trace
#include <trace/define_trace.h>
