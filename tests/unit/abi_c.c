// SPDX-License-Identifier: Apache-2.0
/* The header's own assertions, as C sees them. */
#include "pvsched_abi.h"
#include "pvsched_control.h"

unsigned long pvsched_record_size_in_c(void);

unsigned long pvsched_record_size_in_c(void)
{
	return sizeof(struct pvsched_record);
}
