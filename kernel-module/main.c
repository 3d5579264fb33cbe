// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * The driver: what vfio-pci is to its users, parameters included. Only what
 * concerns alias regions is elsewhere in this module.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "vfio_pci_wc.h"

static char ids[1024] __initdata;
module_param_string(ids, ids, sizeof(ids), 0);
MODULE_PARM_DESC(ids, "Devices to bind to, separated by commas: vendor:device[:subvendor[:subdevice[:class[:class_mask]]]]");

static bool nointxmask;
module_param(nointxmask, bool, 0644);
MODULE_PARM_DESC(nointxmask, "Do not mask INTx by the command register (PCI 2.3)");

static bool disable_vga __maybe_unused = !IS_ENABLED(CONFIG_VFIO_PCI_VGA);
#ifdef CONFIG_VFIO_PCI_VGA
module_param(disable_vga, bool, 0444);
MODULE_PARM_DESC(disable_vga, "No access to VGA resources");
#endif

static bool disable_idle_d3;
module_param(disable_idle_d3, bool, 0644);
MODULE_PARM_DESC(disable_idle_d3, "Keep unused devices out of D3");

static bool enable_sriov;
#ifdef CONFIG_PCI_IOV
module_param(enable_sriov, bool, 0644);
MODULE_PARM_DESC(enable_sriov, "Let sriov_numvfs of a bound PF make VFs. They need a user-space driver of the PF that supports them.");
#endif

static bool disable_denylist;
module_param(disable_denylist, bool, 0444);
MODULE_PARM_DESC(disable_denylist, "Bind to devices whose known errata let an untrusted user harm the machine");

/* Those for which the kernel's headers have a name: newer ones only there */
static const struct pci_device_id wc_main_denylist[] = {
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C3XXX) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C3XXX_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C62X) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C62X_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_DH895XCC) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_DH895XCC_VF) },
#ifdef PCI_DEVICE_ID_INTEL_DSA_SPR0
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_DSA_SPR0) },
#endif
#ifdef PCI_DEVICE_ID_INTEL_IAX_SPR0
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_IAX_SPR0) },
#endif
	{ }
};

static bool wc_main_is_denied(struct pci_dev *pdev)
{
	if (!pci_match_id(wc_main_denylist, pdev))
		return false;

	if (disable_denylist) {
		pci_warn(pdev, "%04x:%04x is in vfio-pci's denylist, which is disabled\n",
			 pdev->vendor, pdev->device);
		return false;
	}

	pci_warn(pdev, "%04x:%04x is in vfio-pci's denylist: not bound\n",
		 pdev->vendor, pdev->device);

	return true;
}

/*
 * Intel's display devices have regions of their own in vfio-pci, which are not
 * for other modules to set up. Without them they would be served half.
 */
static bool wc_main_needs_igd(struct pci_dev *pdev)
{
	if (!IS_ENABLED(CONFIG_VFIO_PCI_IGD) ||
	    pdev->vendor != PCI_VENDOR_ID_INTEL ||
	    pdev->class >> 16 != PCI_BASE_CLASS_DISPLAY)
		return false;

	pci_err(pdev, "Intel display devices need the distribution's vfio-pci: not bound, remove vfio-pci-wc to use it\n");

	return true;
}

#ifdef WC_HAVE_SET_PARAMS

static void __init wc_main_set_params(void)
{
	vfio_pci_core_set_params(nointxmask, disable_vga, disable_idle_d3);
}

static void wc_main_set_device_params(struct vfio_pci_core_device *core)
{
}

#else

static void __init wc_main_set_params(void)
{
}

/* As they are when the device is bound */
static void wc_main_set_device_params(struct vfio_pci_core_device *core)
{
	core->nointxmask = nointxmask;
	core->disable_idle_d3 = disable_idle_d3;
#ifdef CONFIG_VFIO_PCI_VGA
	core->disable_vga = disable_vga;
#endif
}

#endif /* WC_HAVE_SET_PARAMS */

static int wc_main_init_device(struct vfio_device *vdev)
{
	struct wc_device *wc = wc_device(vdev);

	wc_alias_init(wc);
	wc_main_set_device_params(&wc->core);

	return vfio_pci_core_init_dev(vdev);
}

static int wc_main_open_device(struct vfio_device *vdev)
{
	struct wc_device *wc = wc_device(vdev);
	int ret;

	ret = vfio_pci_core_enable(&wc->core);
	if (ret)
		return ret;

	vfio_pci_core_finish_enable(&wc->core);
	wc_guard_core(wc);

	return 0;
}

static void wc_main_close_device(struct vfio_device *vdev)
{
	wc_alias_drop(wc_device(vdev));
	vfio_pci_core_close_device(vdev);
}

static const struct vfio_device_ops wc_main_ops = {
	.name		= "vfio-pci",
	.init		= wc_main_init_device,
	.release	= vfio_pci_core_release_dev,
	.open_device	= wc_main_open_device,
	.close_device	= wc_main_close_device,
	.ioctl		= wc_alias_ioctl,
#ifdef WC_HAVE_REGION_INFO_CAPS
	.get_region_info_caps = wc_alias_region_info,
#endif
	.device_feature	= wc_alias_feature,
	.read		= vfio_pci_core_read,
	.write		= vfio_pci_core_write,
	.mmap		= wc_mmap,
	.request	= vfio_pci_core_request,
	.match		= vfio_pci_core_match,
#ifdef WC_HAVE_MATCH_TOKEN_UUID
	.match_token_uuid = vfio_pci_core_match_token_uuid,
#endif
#ifdef WC_HAVE_IOMMUFD
	.bind_iommufd	= vfio_iommufd_physical_bind,
	.unbind_iommufd	= vfio_iommufd_physical_unbind,
	.attach_ioas	= vfio_iommufd_physical_attach_ioas,
#endif
#ifdef WC_HAVE_DETACH_IOAS
	.detach_ioas	= vfio_iommufd_physical_detach_ioas,
#endif
#ifdef WC_HAVE_PASID_IOAS
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas,
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,
#endif
};

#ifdef WC_HAVE_PCI_OPS
static const struct vfio_pci_device_ops wc_main_pci_ops = {
	.get_dmabuf_phys = vfio_pci_core_get_dmabuf_phys,
#ifdef WC_HAVE_ALIAS_LEN
	.alias_len = vfio_pci_core_alias_len,
#endif
};
#endif

static int wc_main_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct wc_device *wc;
	int ret;

	if (wc_main_is_denied(pdev))
		return -EINVAL;
	if (wc_main_needs_igd(pdev))
		return -ENODEV;

	wc = vfio_alloc_device(wc_device, core.vdev, &pdev->dev, &wc_main_ops);
	if (IS_ERR(wc))
		return PTR_ERR(wc);

#ifdef WC_HAVE_PCI_OPS
	wc->core.pci_ops = &wc_main_pci_ops;
#endif
#ifdef WC_HAVE_ALIAS_FLAG
	wc->core.alias_regions = true;
#endif
	/* For the core, whose error handlers and SR-IOV look there */
	dev_set_drvdata(&pdev->dev, &wc->core);
	ret = vfio_pci_core_register_device(&wc->core);
	if (ret)
		goto put_device;

	return 0;

put_device:
	vfio_put_device(&wc->core.vdev);

	return ret;
}

static void wc_main_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	vfio_pci_core_unregister_device(core);
	vfio_put_device(&core->vdev);
}

static int wc_main_sriov_configure(struct pci_dev *pdev, int num_vfs)
{
	if (!enable_sriov)
		return -ENOENT;

	return vfio_pci_core_sriov_configure(dev_get_drvdata(&pdev->dev),
					     num_vfs);
}

/* Any device, but only by driver_override, which drivers of devices do not need */
static const struct pci_device_id wc_main_table[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, wc_main_table);

static struct pci_driver wc_main_driver = {
	.name			= "vfio-pci",
	.id_table		= wc_main_table,
	.probe			= wc_main_probe,
	.remove			= wc_main_remove,
	.sriov_configure	= wc_main_sriov_configure,
	.err_handler		= &vfio_pci_core_err_handlers,
	.driver_managed_dma	= true,
};

static void __init wc_main_add_id(const char *text)
{
	unsigned int vendor, device, subvendor = PCI_ANY_ID,
		     subdevice = PCI_ANY_ID, class = 0, class_mask = 0;
	int ret;

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &vendor, &device, &subvendor,
		   &subdevice, &class, &class_mask) < 2) {
		pr_warn("ids: \"%s\" is not vendor:device[:subvendor[:subdevice[:class[:class_mask]]]]\n",
			text);
		return;
	}

	ret = pci_add_dynid(&wc_main_driver, vendor, device, subvendor,
			    subdevice, class, class_mask, 0);
	if (ret)
		pr_warn("ids: cannot add \"%s\": error %d\n", text, ret);
	else
		pr_info("ids: added %04x:%04x[%04x:%04x] class %#08x/%08x\n",
			vendor, device, subvendor, subdevice, class,
			class_mask);
}

static void __init wc_main_add_ids(void)
{
	char *rest = ids, *text;

	while ((text = strsep(&rest, ",")))
		if (*text)
			wc_main_add_id(text);
}

static int __init wc_main_init(void)
{
	int ret;

	wc_guard_init();
	wc_main_set_params();
	wc_debugfs_init();

	ret = pci_register_driver(&wc_main_driver);
	if (ret)
		goto remove_debugfs;

	wc_main_add_ids();
	if (disable_denylist)
		pr_warn("the denylist of devices is disabled\n");

	return 0;

remove_debugfs:
	wc_debugfs_exit();

	return ret;
}
module_init(wc_main_init);

static void __exit wc_main_exit(void)
{
	pci_unregister_driver(&wc_main_driver);
	wc_debugfs_exit();
}
module_exit(wc_main_exit);

MODULE_AUTHOR("dpdk-vfio-wc project");
MODULE_DESCRIPTION("vfio-pci with write-combining alias regions");
MODULE_LICENSE("GPL");
MODULE_VERSION("wc-" VFIO_PCI_WC_VERSION);
