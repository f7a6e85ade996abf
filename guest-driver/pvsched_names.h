/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of numbers in pvsched_abi.h. @use is a macro that makes something of
 * its first argument and a list of { number, name }: the trace has its
 * __print_symbolic() and __print_flags(), and sysfs makes tables.
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

#endif /* PVSCHED_NAMES_H */
