/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * Names of the values in pvsched_abi.h. The macro @use gets @arg and a list of
 * { value, name }: the tracepoint passes __print_symbolic() or __print_flags(),
 * and sysfs passes a macro that makes a table. A unit test checks that the lists
 * are complete.
 */
#ifndef PVSCHED_NAMES_H
#define PVSCHED_NAMES_H

#include "pvsched_abi.h"

#define PVSCHED_POLICY_NAMES(use, arg)			\
	use(arg,					\
	    { PVSCHED_POLICY_NORMAL, "normal" },	\
	    { PVSCHED_POLICY_FIFO, "fifo" },		\
	    { PVSCHED_POLICY_RR, "rr" },		\
	    { PVSCHED_POLICY_BATCH, "batch" },		\
	    { PVSCHED_POLICY_IDLE, "idle" },		\
	    { PVSCHED_POLICY_DEADLINE, "deadline" },	\
	    { PVSCHED_POLICY_EXT, "ext" })

#define PVSCHED_GRANT_NAMES(use, arg)			\
	use(arg,					\
	    { PVSCHED_GRANT_BOOSTED, "boosted" },	\
	    { PVSCHED_GRANT_THROTTLED, "throttled" },	\
	    { PVSCHED_GRANT_HALTED, "halted" },		\
	    { PVSCHED_GRANT_PREEMPTED, "preempted" },	\
	    { PVSCHED_GRANT_LOWERED, "lowered" },	\
	    { PVSCHED_GRANT_CRITICAL, "critical" })

#define PVSCHED_INTENT_NAMES(use, arg)			\
	use(arg,					\
	    { PVSCHED_INTENT_IDLE, "idle" },		\
	    { PVSCHED_INTENT_HARDIRQ, "hardirq" },	\
	    { PVSCHED_INTENT_SOFTIRQ, "softirq" })

#define PVSCHED_FEATURE_NAMES(use, arg)				\
	use(arg,						\
	    { PVSCHED_F_GRANT, "grant" },			\
	    { PVSCHED_F_PREEMPT_COUNT, "preempt_count" },	\
	    { PVSCHED_F_IRQ_TICKET, "irq_ticket" },		\
	    { PVSCHED_F_RAN_URGENT, "ran_urgent" })

#endif /* PVSCHED_NAMES_H */
