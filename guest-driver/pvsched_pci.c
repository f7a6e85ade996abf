// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * pvsched: publishes the urgency of each vCPU's work to the host.
 *
 * This file binds to the PCI device, negotiates, and starts and stops the other
 * layers in order.
 *
 * The host writes to the records for as long as the device holds them. So each
 * end of the driver (unload, unbind, a failed probe, shutdown, kexec, suspend)
 * first resets the device and waits for the confirmation. Only then may the
 * memory have another use.
 */
#include <linux/cc_platform.h>
#include <linux/module.h>
#include <linux/pm.h>

#include "pvsched.h"

/* The features that this driver implements. */
#define PVSCHED_FEATURES \
	(PVSCHED_F_GRANT | PVSCHED_F_PREEMPT_COUNT | PVSCHED_F_IRQ_TICKET)

/* The only bound device: hooks and records exist once per guest. */
static struct pvsched *pvsched_bound;

static int pvsched_check_device(struct pvsched *pv)
{
	struct device *dev = &pv->pdev->dev;
	u32 magic = pvsched_bar0_read(pv, PVSCHED_REG_MAGIC);
	u32 version, size;

	if (magic == PVSCHED_GONE) {
		dev_err(dev, "the device does not answer (its registers read all-ones)\n");
		return -ENODEV;
	}
	if (magic != PVSCHED_MAGIC) {
		dev_err(dev, "not a pvsched device: its magic is %#x, should be %#x\n",
			magic, PVSCHED_MAGIC);
		return -ENODEV;
	}
	version = pvsched_bar0_read(pv, PVSCHED_REG_VERSION);
	if (version >> 16 != PVSCHED_VERSION_MAJOR) {
		dev_err(dev, "the device speaks version %u.%u, this driver only %u.x\n",
			version >> 16, version & 0xffff, PVSCHED_VERSION_MAJOR);
		return -ENODEV;
	}
	size = pvsched_bar0_read(pv, PVSCHED_REG_RECORD_SIZE);
	if (size != PVSCHED_RECORD_SIZE) {
		dev_err(dev, "the device's records have %u bytes, this driver's records %u\n",
			size, PVSCHED_RECORD_SIZE);
		return -ENODEV;
	}
	return 0;
}

/* Follows virtio up to FEATURES_OK. Returns the status or an error. */
static int pvsched_negotiate(struct pvsched *pv)
{
	u32 status = PVSCHED_STATUS_ACKNOWLEDGE;
	u64 offered;

	pvsched_bar0_write(pv, PVSCHED_REG_STATUS, status);
	status |= PVSCHED_STATUS_DRIVER;
	pvsched_bar0_write(pv, PVSCHED_REG_STATUS, status);

	offered = pvsched_bar0_readq(pv, PVSCHED_REG_DEVICE_FEATURES);
	pv->features = offered & PVSCHED_FEATURES;
	if ((pv->features & PVSCHED_F_PREEMPT_COUNT) &&
	    !pvsched_preempt_counts_in_ram()) {
		dev_info(&pv->pdev->dev,
			 "the host cannot read the preempt counts of this kernel; continuing without PREEMPT_COUNT\n");
		pv->features &= ~PVSCHED_F_PREEMPT_COUNT;
	}
	pvsched_bar0_writeq(pv, PVSCHED_REG_DRIVER_FEATURES, pv->features);
	pvsched_bar0_write(pv, PVSCHED_REG_DRIVER_VERSION, PVSCHED_VERSION);
	status |= PVSCHED_STATUS_FEATURES_OK;
	pvsched_bar0_write(pv, PVSCHED_REG_STATUS, status);
	if (pvsched_bar0_read(pv, PVSCHED_REG_STATUS) != status) {
		dev_err(&pv->pdev->dev,
			"the device does not take version %u.%u with features %#llx of the offered %#llx\n",
			PVSCHED_VERSION_MAJOR, PVSCHED_VERSION_MINOR,
			pv->features, offered);
		return -ENODEV;
	}
	return status;
}

static void pvsched_stop(struct pvsched *pv)
{
	pvsched_vcpus_forget(pv);
	pv->unconfirmed = !pvsched_bar0_reset(pv);
	pvsched_hooks_unregister();
}

/* Registers all vCPUs, whatever state the device is in. */
static int pvsched_start(struct pvsched *pv)
{
	int status, err;

	pv->gone = false;
	err = pvsched_check_device(pv);
	if (err)
		return err;

	/* Withdraws the records of an earlier driver; its result is of no use. */
	pvsched_bar0_reset(pv);
	status = pvsched_negotiate(pv);
	err = status < 0 ? status :
			   pvsched_hooks_register(&pv->pdev->dev, pv->features);
	if (!err)
		err = pvsched_vcpus_register(pv);
	if (err) {
		pvsched_stop(pv);
		pvsched_bar0_write(pv, PVSCHED_REG_STATUS, PVSCHED_STATUS_FAILED);
		return err;
	}
	pvsched_bar0_write(pv, PVSCHED_REG_STATUS,
		      status | PVSCHED_STATUS_DRIVER_OK);
	return 0;
}

static int pvsched_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct pvsched *pv;
	u32 version;
	int err;

	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		dev_err(dev, "this guest's memory is encrypted, so the host cannot read the records\n");
		return -ENODEV;
	}

	pv = devm_kzalloc(dev, sizeof(*pv), GFP_KERNEL);
	if (!pv)
		return -ENOMEM;
	pv->pdev = pdev;
	mutex_init(&pv->window);
	pci_set_drvdata(pdev, pv);

	if (cmpxchg(&pvsched_bound, NULL, pv)) {
		dev_err(dev, "this guest already uses another pvsched device, which serves all vCPUs; remove this device\n");
		return -ENODEV;
	}

	err = pvsched_bar0_map(pv);
	if (err)
		goto unbind;
	err = pvsched_records_alloc();
	if (err)
		goto unbind;
	err = pvsched_start(pv);
	if (err)
		goto free;

	version = pvsched_bar0_read(pv, PVSCHED_REG_VERSION);
	dev_info(dev, "version %u.%u, features %#llx, %u vCPUs\n",
		 version >> 16, version & 0xffff,
		 pv->features, cpumask_weight(&pv->registered));
	return 0;

free:
	pvsched_records_free(pv);
unbind:
	pvsched_bound = NULL;
	return err;
}

static void pvsched_remove(struct pci_dev *pdev)
{
	struct pvsched *pv = pci_get_drvdata(pdev);

	pvsched_stop(pv);
	pvsched_records_free(pv);
	pvsched_bound = NULL;
}

/* Reboot, power-off and kexec. */
static void pvsched_shutdown(struct pci_dev *pdev)
{
	pvsched_stop(pci_get_drvdata(pdev));
}

static int pvsched_suspend(struct device *dev)
{
	pvsched_stop(dev_get_drvdata(dev));
	return 0;
}

static int pvsched_resume(struct device *dev)
{
	return pvsched_start(dev_get_drvdata(dev));
}

static DEFINE_SIMPLE_DEV_PM_OPS(pvsched_pm_ops, pvsched_suspend,
				pvsched_resume);

static const struct pci_device_id pvsched_ids[] = {
	{ PCI_DEVICE(PVSCHED_PCI_VENDOR_ID, PVSCHED_PCI_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, pvsched_ids);

static struct pci_driver pvsched_driver = {
	.name = KBUILD_MODNAME,
	.id_table = pvsched_ids,
	.probe = pvsched_probe,
	.remove = pvsched_remove,
	.shutdown = pvsched_shutdown,
	.dev_groups = pvsched_groups,
	.driver.pm = pm_sleep_ptr(&pvsched_pm_ops),
};
module_pci_driver(pvsched_driver);

MODULE_DESCRIPTION("Publishes the urgency of each vCPU's work to the host");
MODULE_AUTHOR("The pvsched authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
