// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * pvsched: publishes the urgency of each vCPU's work to the host.
 *
 * This file binds to the PCI device, negotiates, and starts and stops the other
 * layers in order. It also starts them again if the device lost its state.
 *
 * The host writes to the records for as long as the device holds them. So each
 * end of the driver (unload, unbind, a failed probe, shutdown, kexec, suspend)
 * first resets the device and waits for the confirmation. Only then may the
 * memory have another use.
 */
#include <linux/module.h>
#include <linux/pm.h>
#include <linux/random.h>

#include "pvsched.h"
#include "pvsched_watch.h"

/* The features that this driver implements. */
#define PVSCHED_FEATURES \
	(PVSCHED_F_GRANT | PVSCHED_F_PREEMPT_COUNT | PVSCHED_F_IRQ_TICKET | \
	 PVSCHED_F_RAN_URGENT)

/* The only bound device: hooks and records exist once per guest. */
static struct pvsched *pvsched_bound;

static int pvsched_check_device(struct pvsched *pv)
{
	u32 magic = pvsched_bar0_read(pv, PVSCHED_REG_MAGIC);
	u32 version, size;

	if (magic == PVSCHED_GONE) {
		pvsched_log(err, pv, "the device does not answer (its registers read all-ones)\n");
		return -ENODEV;
	}
	if (magic != PVSCHED_MAGIC) {
		pvsched_log(err, pv, "not a pvsched device: its magic is %#x, should be %#x\n",
			magic, PVSCHED_MAGIC);
		return -ENODEV;
	}
	version = pvsched_bar0_read(pv, PVSCHED_REG_VERSION);
	if (version >> 16 != PVSCHED_VERSION_MAJOR) {
		pvsched_log(err, pv, "the device speaks version %u.%u, this driver only %u.x\n",
			version >> 16, version & 0xffff, PVSCHED_VERSION_MAJOR);
		return -ENODEV;
	}
	size = pvsched_bar0_read(pv, PVSCHED_REG_RECORD_SIZE);
	if (size != PVSCHED_RECORD_SIZE) {
		pvsched_log(err, pv, "the device's records have %u bytes, this driver's records %u\n",
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
	if ((pv->features & PVSCHED_F_PREEMPT_COUNT) && !pv->preempt_counts) {
		pvsched_log(info, pv, "the host cannot read this guest's preempt counts; continuing without PREEMPT_COUNT\n");
		pv->features &= ~PVSCHED_F_PREEMPT_COUNT;
	}
	pvsched_bar0_writeq(pv, PVSCHED_REG_DRIVER_FEATURES, pv->features);
	pvsched_bar0_write(pv, PVSCHED_REG_DRIVER_VERSION, PVSCHED_VERSION);
	status |= PVSCHED_STATUS_FEATURES_OK;
	pvsched_bar0_write(pv, PVSCHED_REG_STATUS, status);
	if (pvsched_bar0_read(pv, PVSCHED_REG_STATUS) != status) {
		pvsched_log(err, pv, "the device does not take version %u.%u with features %#llx of the offered %#llx\n",
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
	pvsched_records_clear_words();
	/* A watch may have set a bit until the grace period above. */
	cpumask_clear(&pv->used);
	WRITE_ONCE(pv->is_started, false);
}

/*
 * Registers all vCPUs, whatever state the device is in. Returns -EAGAIN if the
 * host may accept them later.
 */
static int pvsched_start(struct pvsched *pv)
{
	int status, err;

	pv->gone = false;
	pv->is_hung = false;
	pv->host = PVSCHED_HOST_UNKNOWN;
	pv->read_after = jiffies;
	err = pvsched_check_device(pv);
	if (err)
		return err;

	/* Withdraws the records of an earlier driver; its result is of no use. */
	pvsched_bar0_reset(pv);
	status = pvsched_negotiate(pv);
	err = status < 0 ? status :
			   pvsched_hooks_register(pv->features);
	if (!err)
		err = pvsched_vcpus_register(pv);
	if (err) {
		pvsched_stop(pv);
		pvsched_bar0_write(pv, PVSCHED_REG_STATUS, PVSCHED_STATUS_FAILED);
		return err;
	}
	pvsched_bar0_write(pv, PVSCHED_REG_STATUS,
			   status | PVSCHED_STATUS_DRIVER_OK);
	WRITE_ONCE(pv->is_started, true);
	return 0;
}

/* The guest has no pvsched now; @look tries again later. */
static void pvsched_retry_later(struct pvsched *pv)
{
	pvsched_log(warn, pv, "the guest runs without pvsched until the device serves it again\n");
	pv->retry_s = pvsched_retry_delay_s(pv->retry_s, pv->is_hung);
	WRITE_ONCE(pv->read_after, jiffies + pv->retry_s * HZ);
}

/*
 * Registers all vCPUs again with a device that lost its state or did not serve
 * the guest. Hooks that are registered stay so, unless this fails.
 */
static void pvsched_recover(struct pvsched *pv)
{
	bool was_started = pv->is_started;
	int err;

	pvsched_vcpus_forget(pv);
	/* An access to a device that hangs would only take seconds again. */
	if (was_started && pv->gone && pv->is_hung)
		err = -EIO;
	else
		err = pvsched_bar0_restore(pv);
	if (err)
		pvsched_log(warn, pv, "the device %s\n",
			    pv->is_hung ? "hangs" : "is gone: its process ended, or the VM moved to a host without one");
	else
		err = pvsched_start(pv);
	if (err) {
		if (pv->is_started)
			pvsched_stop(pv);
		pvsched_retry_later(pv);
		return;
	}
	pv->retry_s = 0;
	dev_info(&pv->pdev->dev, "%s; registered %u vCPUs\n",
		 was_started ? "the device had lost its state, as after a migration" :
			       "the device serves the guest again",
		 cpumask_weight(&pv->registered));
}

static void pvsched_log_host(struct pvsched *pv)
{
	enum pvsched_host host = READ_ONCE(pv->host);

	if (host == pv->host_logged || host == PVSCHED_HOST_UNKNOWN)
		return;
	pv->host_logged = host;
	if (host == PVSCHED_HOST_READS)
		dev_info(&pv->pdev->dev, "the host uses the records\n");
	else
		dev_warn(&pv->pdev->dev,
			 "the host does not use the records: it has no pvschedd, or pvschedd refuses this VM (pvsched-device's log has the reason)\n");
}

/* Whether the device serves the guest, as far as it is time to check that. */
static bool pvsched_is_served(struct pvsched *pv)
{
	if (!xchg(&pv->must_read, false) ||
	    time_before(jiffies, READ_ONCE(pv->read_after)))
		return true;
	if (!pv->is_started)
		return false;
	WRITE_ONCE(pv->read_after, jiffies + msecs_to_jiffies(PVSCHED_READ_MS));
	return pvsched_vcpus_held(pv);
}

static void pvsched_look(struct work_struct *work)
{
	struct pvsched *pv = container_of(work, struct pvsched, look);

	if (READ_ONCE(pv->is_paused))
		return;
	pvsched_log_host(pv);
	if (!pvsched_is_served(pv) ||
	    (pvsched_is_serving_due(pv) && pvsched_vcpus_serve(pv)))
		pvsched_recover(pv);
}

/* The VM generation id changed: this guest is restored or a clone. */
static int pvsched_on_vmfork(struct notifier_block *nb, unsigned long action,
			     void *data)
{
	struct pvsched *pv = container_of(nb, struct pvsched, vmfork);

	WRITE_ONCE(pv->read_after, jiffies);
	pvsched_look_now(pv, true);
	return NOTIFY_OK;
}

/* Withdraws all records. After return the driver does not access the device. */
static void pvsched_pause(struct pvsched *pv)
{
	WRITE_ONCE(pv->is_paused, true);
	pvsched_watch_stop();
	cancel_work_sync(&pv->look);
	pvsched_stop(pv);
}

static void pvsched_continue(struct pvsched *pv)
{
	if (pvsched_start(pv))
		pvsched_retry_later(pv);
	WRITE_ONCE(pv->is_paused, false);
	pvsched_watch_start(pv);
}

static void pvsched_log_version(struct pvsched *pv)
{
	u32 version = pvsched_bar0_read(pv, PVSCHED_REG_VERSION);

	dev_info(&pv->pdev->dev, "version %u.%u, features %#llx, %u vCPUs\n",
		 version >> 16, version & 0xffff,
		 pv->features, cpumask_weight(&pv->registered));
}

static struct pvsched *pvsched_make(struct pci_dev *pdev)
{
	struct pvsched *pv = devm_kzalloc(&pdev->dev, sizeof(*pv), GFP_KERNEL);

	if (!pv)
		return NULL;
	pv->pdev = pdev;
	pv->is_paused = true;
	pv->vmfork.notifier_call = pvsched_on_vmfork;
	mutex_init(&pv->window);
	INIT_WORK(&pv->look, pvsched_look);
	pci_set_drvdata(pdev, pv);
	return pv;
}

static int pvsched_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct pvsched *pv;
	int err;

	pv = pvsched_make(pdev);
	if (!pv)
		return -ENOMEM;

	if (cmpxchg(&pvsched_bound, NULL, pv)) {
		dev_err(dev, "this guest already uses another pvsched device, which serves all vCPUs; remove this device\n");
		return -ENODEV;
	}

	err = -ENOMEM;
	pv->wq = alloc_ordered_workqueue(KBUILD_MODNAME, 0);
	if (!pv->wq)
		goto unbind;
	err = pvsched_bar0_map(pv);
	if (err)
		goto free;
	err = pvsched_records_alloc(pv);
	if (err)
		goto free;
	err = pvsched_start(pv);
	if (err == -EAGAIN)
		pvsched_retry_later(pv);
	else if (err)
		goto free_records;
	else
		pvsched_log_version(pv);
	pvsched_cgroups_start();
	WRITE_ONCE(pv->is_paused, false);
	pvsched_watch_start(pv);
	register_random_vmfork_notifier(&pv->vmfork);
	return 0;

free_records:
	pvsched_records_free(pv);
free:
	kfree(pv->config);
	destroy_workqueue(pv->wq);
unbind:
	pvsched_bound = NULL;
	return err;
}

static void pvsched_remove(struct pci_dev *pdev)
{
	struct pvsched *pv = pci_get_drvdata(pdev);

	unregister_random_vmfork_notifier(&pv->vmfork);
	pvsched_pause(pv);
	pvsched_cgroups_stop();
	pvsched_records_free(pv);
	kfree(pv->config);
	destroy_workqueue(pv->wq);
	pvsched_bound = NULL;
}

/* Reboot, power-off and kexec. */
static void pvsched_shutdown(struct pci_dev *pdev)
{
	pvsched_pause(pci_get_drvdata(pdev));
}

static int pvsched_suspend(struct device *dev)
{
	pvsched_pause(dev_get_drvdata(dev));
	return 0;
}

static int pvsched_resume(struct device *dev)
{
	pvsched_continue(dev_get_drvdata(dev));
	return 0;
}

/* A reset of the PCI function by the guest, such as through sysfs. */
static void pvsched_reset_prepare(struct pci_dev *pdev)
{
	pvsched_pause(pci_get_drvdata(pdev));
}

static void pvsched_reset_done(struct pci_dev *pdev)
{
	pvsched_continue(pci_get_drvdata(pdev));
}

static const struct pci_error_handlers pvsched_reset_handlers = {
	.reset_prepare = pvsched_reset_prepare,
	.reset_done = pvsched_reset_done,
};

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
	.err_handler = &pvsched_reset_handlers,
	.dev_groups = pvsched_groups,
	.driver.pm = pm_sleep_ptr(&pvsched_pm_ops),
};
module_pci_driver(pvsched_driver);

MODULE_DESCRIPTION("Publishes the urgency of each vCPU's work to the host");
MODULE_AUTHOR("The pvsched authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
