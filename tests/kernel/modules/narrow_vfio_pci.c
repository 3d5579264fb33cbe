// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * A variant driver on vfio-pci-core, for tests only, that hides the second half
 * of BAR 2 from user space, as hisi_acc_vfio_pci does with its migration
 * registers. It binds to nothing by itself: use driver_override.
 *
 * With alias=1 it offers alias regions, as narrow as its own mmap (Linux 7.3's
 * series; 6.12's lets no driver narrow an alias). With alias=0 it does not know
 * of them, like a driver that nobody has looked at.
 */

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/version.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#define NARROW_BAR	VFIO_PCI_BAR2_REGION_INDEX
#define HAS_REGION_INFO_CAPS	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0))

static bool alias;
module_param(alias, bool, 0444);
MODULE_PARM_DESC(alias, "Offer alias regions");

static bool odd;
module_param(odd, bool, 0444);
MODULE_PARM_DESC(odd, "Let the hidden part start within a page");

static struct vfio_pci_core_device *to_core(struct vfio_device *core_vdev)
{
	return container_of(core_vdev, struct vfio_pci_core_device, vdev);
}

static resource_size_t narrow_len(struct vfio_pci_core_device *vdev,
				  unsigned int bar)
{
	resource_size_t len = pci_resource_len(vdev->pdev, bar);

	if (bar != NARROW_BAR)
		return len;

	return len / 2 + (odd ? PAGE_SIZE / 2 : 0);
}

static int narrow_open(struct vfio_device *core_vdev)
{
	struct vfio_pci_core_device *vdev = to_core(core_vdev);
	int ret;

	ret = vfio_pci_core_enable(vdev);
	if (ret)
		return ret;

	vfio_pci_core_finish_enable(vdev);

	return 0;
}

static int narrow_mmap(struct vfio_device *core_vdev,
		       struct vm_area_struct *vma)
{
	struct vfio_pci_core_device *vdev = to_core(core_vdev);
	u64 start = (u64)vma->vm_pgoff << PAGE_SHIFT;

	if (VFIO_PCI_OFFSET_TO_INDEX(start) == NARROW_BAR &&
	    (start & VFIO_PCI_OFFSET_MASK) + vma->vm_end - vma->vm_start >
	    narrow_len(vdev, NARROW_BAR))
		return -EINVAL;

	return vfio_pci_core_mmap(core_vdev, vma);
}

#if HAS_REGION_INFO_CAPS
static int narrow_region_info(struct vfio_device *core_vdev,
			      struct vfio_region_info *info,
			      struct vfio_info_cap *caps)
{
	int ret = vfio_pci_ioctl_get_region_info(core_vdev, info, caps);

	if (!ret && info->index == NARROW_BAR)
		info->size = narrow_len(to_core(core_vdev), NARROW_BAR);

	return ret;
}
#endif

static const struct vfio_device_ops narrow_ops = {
	.name = "narrow-vfio-pci",
	.init = vfio_pci_core_init_dev,
	.release = vfio_pci_core_release_dev,
	.open_device = narrow_open,
	.close_device = vfio_pci_core_close_device,
	.ioctl = vfio_pci_core_ioctl,
#if HAS_REGION_INFO_CAPS
	.get_region_info_caps = narrow_region_info,
	.match_token_uuid = vfio_pci_core_match_token_uuid,
#endif
	.device_feature = vfio_pci_core_ioctl_feature,
	.read = vfio_pci_core_read,
	.write = vfio_pci_core_write,
	.mmap = narrow_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
};

#if HAS_REGION_INFO_CAPS && defined(VFIO_DEVICE_FEATURE_ALIAS_REGION)
static const struct vfio_pci_device_ops narrow_dev_ops = {
	.alias_len = narrow_len,
};

static void narrow_offer_aliases(struct vfio_pci_core_device *vdev)
{
	vdev->pci_ops = &narrow_dev_ops;
}
#else
static void narrow_offer_aliases(struct vfio_pci_core_device *vdev)
{
}
#endif

static int narrow_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vfio_pci_core_device *vdev;
	int ret;

	vdev = vfio_alloc_device(vfio_pci_core_device, vdev, &pdev->dev,
				 &narrow_ops);
	if (IS_ERR(vdev))
		return PTR_ERR(vdev);

	dev_set_drvdata(&pdev->dev, vdev);
	if (alias)
		narrow_offer_aliases(vdev);

	ret = vfio_pci_core_register_device(vdev);
	if (ret)
		vfio_put_device(&vdev->vdev);

	return ret;
}

static void narrow_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev = dev_get_drvdata(&pdev->dev);

	vfio_pci_core_unregister_device(vdev);
	vfio_put_device(&vdev->vdev);
}

static const struct pci_device_id narrow_table[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID) },
	{}
};

static struct pci_driver narrow_driver = {
	.name = "narrow_vfio_pci",
	.id_table = narrow_table,
	.probe = narrow_probe,
	.remove = narrow_remove,
	.err_handler = &vfio_pci_core_err_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(narrow_driver);

MODULE_DESCRIPTION("Test: a vfio-pci variant driver that narrows a BAR");
MODULE_LICENSE("GPL");
