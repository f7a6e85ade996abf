// SPDX-License-Identifier: Apache-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Compiles the headers and their assertions as C. */
#include <stddef.h>

#include "pvsched_abi.h"
#include "pvsched_control.h"

size_t pvsched_record_size_in_c(void);

size_t pvsched_record_size_in_c(void)
{
	return sizeof(struct pvsched_record);
}
