/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The decisions of pvsched_watch.c and of the recovery in pvsched_pci.c. The
 * kernel defines READ_ONCE(); tests in user space define their own.
 */
#ifndef PVSCHED_WATCH_H
#define PVSCHED_WATCH_H

#include "pvsched_abi.h"

/* How often a vCPU that gets timer ticks samples its own record. */
#define PVSCHED_SAMPLE_MS 500

/* Two reads of the device's registers are at least this far apart. */
#define PVSCHED_READ_MS 5000

/* The host does not use a record that it left alone for so many samples. */
#define PVSCHED_SILENT_SAMPLES 10

/*
 * The driver asks the host for no longer than this at once, as long as the host
 * answers: CPU hot-plug and accesses of the VM's other devices wait meanwhile.
 */
#define PVSCHED_ROUND_MS 2000

/* When the driver tries again after the device was lost or the host did not serve. */
#define PVSCHED_RETRY_MIN_S 1
#define PVSCHED_RETRY_MAX_S 60
/* An access to a device whose server hangs blocks the VM for seconds. */
#define PVSCHED_RETRY_HUNG_MIN_S 60
#define PVSCHED_RETRY_HUNG_MAX_S 600

/* The host's line of a record, when it was last sampled. */
struct pvsched_sample {
	__u64 nonce; /* of the registration */
	__u64 grant;
	__u32 irq_ticket;
	__u32 unchanged; /* samples in a row, up to PVSCHED_SILENT_SAMPLES */
};

/*
 * Samples the host's line. Returns for how many samples in a row the line has
 * not changed; 0 says that the host wrote it since the last sample. The caller
 * runs in a timer tick: a host that holds the record counted that interrupt.
 */
static inline __u32 pvsched_sample_host_line(struct pvsched_sample *last,
					     const struct pvsched_record *record)
{
	__u64 grant = READ_ONCE(record->grant);
	__u32 irq_ticket = READ_ONCE(record->irq_ticket);

	/* The guest zeroes the line before each registration. */
	if (record->nonce != last->nonce) {
		last->nonce = record->nonce;
		last->grant = 0;
		last->irq_ticket = 0;
		last->unchanged = 0;
	}
	if (grant != last->grant || irq_ticket != last->irq_ticket) {
		last->grant = grant;
		last->irq_ticket = irq_ticket;
		last->unchanged = 0;
	} else if (last->unchanged < PVSCHED_SILENT_SAMPLES) {
		last->unchanged++;
	}
	return last->unchanged;
}

/*
 * Whether @id, read from configuration space, is the pvsched device. A slot
 * without a device reads as all-ones.
 */
static inline int pvsched_is_device_id(__u32 id)
{
	return id == ((__u32)PVSCHED_PCI_DEVICE_ID << 16 | PVSCHED_PCI_VENDOR_ID);
}

/*
 * Whether the host may accept a registration later that had this @result. Other
 * failures do not go away while the device stays as it is.
 */
static inline int pvsched_may_serve_later(__u32 result)
{
	return result == PVSCHED_RESULT_REFUSED ||
	       result == PVSCHED_RESULT_HOST_TIMEOUT;
}

/* The delay of the next try after one that had a delay of @last_s; 0: the first. */
static inline __u32 pvsched_retry_delay_s(__u32 last_s, int is_hung)
{
	__u32 min_s = is_hung ? PVSCHED_RETRY_HUNG_MIN_S : PVSCHED_RETRY_MIN_S;
	__u32 max_s = is_hung ? PVSCHED_RETRY_HUNG_MAX_S : PVSCHED_RETRY_MAX_S;

	if (last_s < min_s)
		return min_s;
	return last_s < max_s / 2 ? last_s * 2 : max_s;
}

#endif /* PVSCHED_WATCH_H */
