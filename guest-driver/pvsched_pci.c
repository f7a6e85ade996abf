// SPDX-License-Identifier: GPL-2.0
/*
 * pvsched: tells the host how urgent each vCPU's work is.
 *
 * The PCI side: binding, negotiation, and the order in which things start and
 * end. What the registers mean is in pvsched_abi.h.
 *
 * The host writes into the records for as long as the device holds them. So
 * whatever ends the driver (unload, unbind, a failed probe, shutdown, kexec,
 * suspend) first resets the device and waits for its word; only then may the
 * memory be used for something else.
 */
#include <linux/cc_platform.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/pm.h>

#include "pvsched.h"

/* What this driver implements, of PVSCHED_F_*. */
#define PVSCHED_FEATURES \
	(PVSCHED_F_GRANT | PVSCHED_F_PREEMPT_COUNT | PVSCHED_F_IRQ_TICKET)

/* A reset is answered at once, or after the host's daemon had its time. */
#define PVSCHED_RESET_POLL_US 1000
#define PVSCHED_RESET_TIMEOUT_US (10 * USEC_PER_SEC)

/* The one there may be: the hooks and the records are the guest's. */
static struct pvsched *pvsched_bound;

/* No register of 32 bits reads all-ones. */
static u32 pvsched_read(struct pvsched *pv, unsigned int reg)
{
	u32 value = pv->gone ? PVSCHED_GONE : readl(pv->bar0 + reg);

	pv->gone = value == PVSCHED_GONE;
	return value;
}

static void pvsched_write(struct pvsched *pv, unsigned int reg, u32 value)
{
	if (!pv->gone)
		writel(value, pv->bar0 + reg);
}

static u64 pvsched_readq(struct pvsched *pv, unsigned int reg)
{
	return pv->gone ? U64_MAX : readq(pv->bar0 + reg);
}

static void pvsched_writeq(struct pvsched *pv, unsigned int reg, u64 value)
{
	if (!pv->gone)
		writeq(value, pv->bar0 + reg);
}

/*
 * Registers the record at @gpa for @vcpu_id, or withdraws it if @gpa is 0.
 * Returns the device's PVSCHED_RESULT_* or PVSCHED_GONE, and in @nonce what
 * the device found in the record.
 */
u32 pvsched_set_record(struct pvsched *pv, u32 vcpu_id, u64 gpa, u64 *nonce)
{
	u32 result;

	mutex_lock(&pv->window);
	pvsched_write(pv, PVSCHED_REG_VCPU_SELECT, vcpu_id);
	pvsched_writeq(pv, PVSCHED_REG_RECORD_ADDR, gpa);
	/* Writes are posted; this read waits until they are done. */
	result = pvsched_read(pv, PVSCHED_REG_RESULT);
	if (nonce)
		*nonce = pvsched_readq(pv, PVSCHED_REG_NONCE);
	mutex_unlock(&pv->window);
	return result;
}

/* Withdraws all records. Returns whether the host confirmed it. */
static bool pvsched_reset(struct pvsched *pv)
{
	struct device *dev = &pv->pdev->dev;
	u32 status;
	int err;

	/* Whoever found it gone has said so. */
	if (pv->gone)
		return false;
	pvsched_write(pv, PVSCHED_REG_STATUS, 0);
	err = read_poll_timeout(pvsched_read, status,
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
	if (pvsched_read(pv, PVSCHED_REG_RESULT) != PVSCHED_RESULT_OK) {
		dev_warn(dev, "the host's pvschedd did not confirm the reset in time\n");
		return false;
	}
	return true;
}

static int pvsched_check_device(struct pvsched *pv)
{
	struct device *dev = &pv->pdev->dev;
	u32 magic = pvsched_read(pv, PVSCHED_REG_MAGIC);
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
	version = pvsched_read(pv, PVSCHED_REG_VERSION);
	if (version >> 16 != PVSCHED_VERSION_MAJOR) {
		dev_err(dev, "the device speaks version %u.%u, this driver only %u.x\n",
			version >> 16, version & 0xffff, PVSCHED_VERSION_MAJOR);
		return -ENODEV;
	}
	size = pvsched_read(pv, PVSCHED_REG_RECORD_SIZE);
	if (size != PVSCHED_RECORD_SIZE) {
		dev_err(dev, "the device's records have %u bytes, this driver's %u\n",
			size, PVSCHED_RECORD_SIZE);
		return -ENODEV;
	}
	return 0;
}

/* Up to FEATURES_OK, as virtio does it. Returns the status or an error. */
static int pvsched_negotiate(struct pvsched *pv)
{
	u32 status = PVSCHED_STATUS_ACKNOWLEDGE;
	u64 offered;

	pvsched_write(pv, PVSCHED_REG_STATUS, status);
	status |= PVSCHED_STATUS_DRIVER;
	pvsched_write(pv, PVSCHED_REG_STATUS, status);

	offered = pvsched_readq(pv, PVSCHED_REG_DEVICE_FEATURES);
	pv->features = offered & PVSCHED_FEATURES;
	if ((pv->features & PVSCHED_F_PREEMPT_COUNT) &&
	    !pvsched_preempt_counts_in_ram()) {
		dev_info(&pv->pdev->dev,
			 "this kernel keeps its preempt counts where the host cannot read them; going without\n");
		pv->features &= ~PVSCHED_F_PREEMPT_COUNT;
	}
	pvsched_writeq(pv, PVSCHED_REG_DRIVER_FEATURES, pv->features);
	pvsched_write(pv, PVSCHED_REG_DRIVER_VERSION, PVSCHED_VERSION);
	status |= PVSCHED_STATUS_FEATURES_OK;
	pvsched_write(pv, PVSCHED_REG_STATUS, status);
	if (pvsched_read(pv, PVSCHED_REG_STATUS) != status) {
		dev_err(&pv->pdev->dev,
			"the device does not take version %u.%u with features %#llx of its %#llx\n",
			PVSCHED_VERSION_MAJOR, PVSCHED_VERSION_MINOR,
			pv->features, offered);
		return -ENODEV;
	}
	return status;
}

static void pvsched_stop(struct pvsched *pv)
{
	pvsched_records_forget(pv);
	pv->unconfirmed = !pvsched_reset(pv);
	pvsched_hooks_unregister();
}

/* From a device in whatever state to one that holds our records. */
static int pvsched_start(struct pvsched *pv)
{
	int status, err;

	pv->gone = false;
	err = pvsched_check_device(pv);
	if (err)
		return err;

	/* Of what an earlier driver left; none of it is our memory. */
	pvsched_reset(pv);
	status = pvsched_negotiate(pv);
	err = status < 0 ? status :
			   pvsched_hooks_register(&pv->pdev->dev, pv->features);
	if (!err)
		err = pvsched_records_register(pv);
	if (err) {
		pvsched_stop(pv);
		pvsched_write(pv, PVSCHED_REG_STATUS, PVSCHED_STATUS_FAILED);
		return err;
	}
	pvsched_write(pv, PVSCHED_REG_STATUS,
		      status | PVSCHED_STATUS_DRIVER_OK);
	return 0;
}

static int pvsched_map_bar0(struct pvsched *pv)
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

static int pvsched_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct pvsched *pv;
	u32 version;
	int err;

	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		dev_err(dev, "this guest's memory is encrypted, so the host cannot read records in it\n");
		return -ENODEV;
	}

	pv = devm_kzalloc(dev, sizeof(*pv), GFP_KERNEL);
	if (!pv)
		return -ENOMEM;
	pv->pdev = pdev;
	mutex_init(&pv->window);
	pci_set_drvdata(pdev, pv);

	if (cmpxchg(&pvsched_bound, NULL, pv)) {
		dev_err(dev, "this guest already uses another pvsched device; one serves all its vCPUs, so remove this one\n");
		return -ENODEV;
	}

	err = pvsched_map_bar0(pv);
	if (err)
		goto unbind;
	err = pvsched_records_alloc();
	if (err)
		goto unbind;
	err = pvsched_start(pv);
	if (err)
		goto free;

	version = pvsched_read(pv, PVSCHED_REG_VERSION);
	dev_info(dev, "version %u.%u, features %#llx, %u vCPUs\n",
		 version >> 16, version & 0xffff,
		 pv->features, cpumask_weight(pvsched_records_registered()));
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

MODULE_DESCRIPTION("Tells the host how urgent each vCPU's work is");
MODULE_AUTHOR("The pvsched authors");
MODULE_LICENSE("GPL");
