// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The device's registers. pvsched_abi.h defines them.
 *
 * No 32-bit register reads all-ones, so all-ones means that the device is gone.
 * From then on the functions below access no register.
 */
#include <linux/io.h>
#include <linux/iopoll.h>

#include "pvsched.h"

/* The host's pvschedd may take this long to answer a reset. */
#define PVSCHED_RESET_POLL_US 1000
#define PVSCHED_RESET_TIMEOUT_US (10 * USEC_PER_SEC)

int pvsched_bar0_map(struct pvsched *pv)
{
	struct pci_dev *pdev = pv->pdev;
	int err;

	if (!(pci_resource_flags(pdev, 0) & IORESOURCE_MEM) ||
	    pci_resource_len(pdev, 0) < PVSCHED_BAR0_SIZE) {
		dev_err(&pdev->dev, "BAR0 must be memory of at least %u bytes\n",
			PVSCHED_BAR0_SIZE);
		return -ENODEV;
	}
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	if (!devm_request_mem_region(&pdev->dev, pci_resource_start(pdev, 0),
				     pci_resource_len(pdev, 0), KBUILD_MODNAME))
		return -EBUSY;
	pv->bar0 = pcim_iomap(pdev, 0, 0);
	return pv->bar0 ? 0 : -ENOMEM;
}

u32 pvsched_bar0_read(struct pvsched *pv, unsigned int reg)
{
	u32 value = pv->gone ? PVSCHED_GONE : readl(pv->bar0 + reg);

	pv->gone = value == PVSCHED_GONE;
	return value;
}

u64 pvsched_bar0_readq(struct pvsched *pv, unsigned int reg)
{
	return pv->gone ? U64_MAX : readq(pv->bar0 + reg);
}

void pvsched_bar0_write(struct pvsched *pv, unsigned int reg, u32 value)
{
	if (!pv->gone)
		writel(value, pv->bar0 + reg);
}

void pvsched_bar0_writeq(struct pvsched *pv, unsigned int reg, u64 value)
{
	if (!pv->gone)
		writeq(value, pv->bar0 + reg);
}

/*
 * Registers the record at @gpa for @vcpu_id; a @gpa of 0 withdraws the record.
 * Returns the device's PVSCHED_RESULT_* or PVSCHED_GONE. @nonce gets the nonce
 * that the device read from the record.
 */
u32 pvsched_bar0_set_record(struct pvsched *pv, u32 vcpu_id, u64 gpa,
			    u64 *nonce)
{
	u32 result;

	mutex_lock(&pv->window);
	pvsched_bar0_write(pv, PVSCHED_REG_VCPU_SELECT, vcpu_id);
	pvsched_bar0_writeq(pv, PVSCHED_REG_RECORD_ADDR, gpa);
	/* Writes are posted; this read waits for their completion. */
	result = pvsched_bar0_read(pv, PVSCHED_REG_RESULT);
	if (nonce)
		*nonce = pvsched_bar0_readq(pv, PVSCHED_REG_NONCE);
	mutex_unlock(&pv->window);
	return result;
}

/* Withdraws all records. Returns whether the host confirmed the reset. */
bool pvsched_bar0_reset(struct pvsched *pv)
{
	struct device *dev = &pv->pdev->dev;
	u32 status;
	int err;

	/* The access that found the device gone has logged it. */
	if (pv->gone)
		return false;
	pvsched_bar0_write(pv, PVSCHED_REG_STATUS, 0);
	err = read_poll_timeout(pvsched_bar0_read, status,
				status == 0 || status == PVSCHED_GONE,
				PVSCHED_RESET_POLL_US, PVSCHED_RESET_TIMEOUT_US,
				false, pv, PVSCHED_REG_STATUS);
	if (err) {
		dev_warn(dev, "the device does not finish its reset (status %#x)\n",
			 status);
		return false;
	}
	if (status == PVSCHED_GONE) {
		dev_warn(dev, "the device is gone (its registers read all-ones)\n");
		return false;
	}
	if (pvsched_bar0_read(pv, PVSCHED_REG_RESULT) != PVSCHED_RESULT_OK) {
		dev_warn(dev, "the host's pvschedd did not confirm the reset in time\n");
		return false;
	}
	return true;
}
