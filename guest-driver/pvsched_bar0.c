// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The device's registers. pvsched_abi.h defines them.
 *
 * No 32-bit register reads all-ones, so all-ones means that the device is gone.
 * From then on the functions below access no register. A BAR that is not mapped
 * may read as zero, which only MAGIC tells from an answer of the device.
 */
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/ktime.h>
#include <linux/preempt.h>

#include "pvsched.h"
#include "pvsched_watch.h"

/* The host's pvschedd may take this long to answer a reset. */
#define PVSCHED_RESET_POLL_US 1000
#define PVSCHED_RESET_TIMEOUT_US (10 * USEC_PER_SEC)

/*
 * Writes the address to BAR0 that the kernel assigned at boot. A migration may
 * have reset BAR0 since then, and the PCI core does not write it again.
 */
static void pvsched_bar0_program(struct pci_dev *pdev)
{
	struct pci_bus_region region;
	u32 bar;

	pcibios_resource_to_bus(pdev->bus, &region, &pdev->resource[0]);
	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0, &bar);
	if ((bar & PCI_BASE_ADDRESS_MEM_MASK) != lower_32_bits(region.start))
		pci_write_config_dword(pdev, PCI_BASE_ADDRESS_0,
				       lower_32_bits(region.start));
}

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
	pvsched_bar0_program(pdev);
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	if (!devm_request_mem_region(&pdev->dev, pci_resource_start(pdev, 0),
				     pci_resource_len(pdev, 0), KBUILD_MODNAME))
		return -EBUSY;
	pv->bar0 = pcim_iomap(pdev, 0, 0);
	if (!pv->bar0)
		return -ENOMEM;
	pci_set_master(pdev);
	pci_save_state(pdev);
	/* A copy: the PCI core saves the present state before a reset. */
	pv->config = pci_store_saved_state(pdev);
	return pv->config ? 0 : -ENOMEM;
}

/*
 * The VMM waits some seconds for a server that hangs; QEMU waits 5 s. A dead
 * server is found at once. @took excludes the time of other tasks.
 */
static void pvsched_note_gone(struct pvsched *pv, u64 took)
{
	pv->gone = true;
	pv->is_hung = took > 3 * NSEC_PER_SEC;
}

u32 pvsched_bar0_read(struct pvsched *pv, unsigned int reg)
{
	u64 took;
	u32 value;

	if (pv->gone)
		return PVSCHED_GONE;
	preempt_disable();
	took = ktime_get_ns();
	value = readl(pv->bar0 + reg);
	took = ktime_get_ns() - took;
	preempt_enable();
	if (value == PVSCHED_GONE)
		pvsched_note_gone(pv, took);
	return value;
}

u64 pvsched_bar0_readq(struct pvsched *pv, unsigned int reg)
{
	return pv->gone ? U64_MAX : readq(pv->bar0 + reg);
}

/*
 * Restores the configuration space that probe found: after a migration it is
 * that of power-on. Returns an error if the device is not there or does not
 * answer, and makes no further access then.
 */
int pvsched_bar0_restore(struct pvsched *pv)
{
	struct pci_dev *pdev = pv->pdev;
	u64 took;
	u32 id;
	int err;

	preempt_disable();
	took = ktime_get_ns();
	err = pci_read_config_dword(pdev, PCI_VENDOR_ID, &id);
	took = ktime_get_ns() - took;
	preempt_enable();
	/* Never writes to another device that may be in the slot by now. */
	if (err || !pvsched_is_device_id(id)) {
		pvsched_note_gone(pv, took);
		return -ENODEV;
	}
	err = pci_load_saved_state(pdev, pv->config);
	if (err)
		return err;
	pci_restore_state(pdev);

	pv->gone = false;
	if (pvsched_bar0_read(pv, PVSCHED_REG_MAGIC) == PVSCHED_MAGIC)
		return 0;
	pv->gone = true;
	return -ENODEV;
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
 * Registers the record at @address for @vcpu_id; an @address of 0 withdraws the record.
 * Returns the device's PVSCHED_RESULT_* or PVSCHED_GONE. @nonce gets the nonce
 * that the device read from the record.
 */
u32 pvsched_bar0_set_record(struct pvsched *pv, u32 vcpu_id, u64 address,
			    u64 *nonce)
{
	u32 result;

	mutex_lock(&pv->window);
	pvsched_bar0_write(pv, PVSCHED_REG_VCPU_SELECT, vcpu_id);
	pvsched_bar0_writeq(pv, PVSCHED_REG_RECORD_ADDR, address);
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
		pvsched_log(warn, pv, "the device does not finish its reset (status %#x)\n",
			 status);
		return false;
	}
	if (status == PVSCHED_GONE) {
		pvsched_log(warn, pv, "the device is gone (its registers read all-ones)\n");
		return false;
	}
	if (pvsched_bar0_read(pv, PVSCHED_REG_RESULT) != PVSCHED_RESULT_OK) {
		pvsched_log(warn, pv, "the host's pvschedd did not confirm the reset in time\n");
		return false;
	}
	/* Registers that are not mapped may read as zero: as a success. */
	if (pvsched_bar0_read(pv, PVSCHED_REG_MAGIC) != PVSCHED_MAGIC) {
		pvsched_log(warn, pv, "the device's registers are not mapped, so it did not confirm its reset\n");
		return false;
	}
	return true;
}
