// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * Alias regions. They follow the core's regions in the index space. An entry
 * is written once and published by num_aliases, and does not change until the
 * last file of the device is closed, so that readers need no lock.
 */

#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vfio_pci_wc.h"

static unsigned int wc_alias_base(struct wc_device *wc)
{
	return VFIO_PCI_NUM_REGIONS + wc->core.num_regions;
}

static unsigned int wc_alias_num(struct wc_device *wc)
{
	/* An alias below this number is complete */
	return smp_load_acquire(&wc->num_aliases);
}

void wc_alias_init(struct wc_device *wc)
{
	mutex_init(&wc->alias_lock);
}

/* Last close: mappings hold the file, so there are none left */
void wc_alias_drop(struct wc_device *wc)
{
	wc->num_aliases = 0;
}

/* Whether region @index is an alias, and of which BAR */
static bool wc_alias_find(struct wc_device *wc, u32 index, u32 *bar)
{
	unsigned int num = wc_alias_num(wc), base = wc_alias_base(wc);

	if (index < base || index - base >= num)
		return false;

	*bar = wc->alias[array_index_nospec(index - base, num)];

	return true;
}

/* Whether a page of the device file belongs to an alias */
bool wc_alias_exists_at(struct wc_device *wc, unsigned long pgoff)
{
	unsigned int i, num = wc_alias_num(wc);

	if (!(pgoff & WC_ALIAS_PGOFF))
		return false;

	for (i = 0; i < num; i++)
		if (wc->alias[i] == wc_alias_bar(pgoff))
			return true;

	return false;
}

/* Only BARs that the core maps: other regions map themselves or not at all */
static bool wc_alias_is_mappable(struct wc_device *wc, u32 index)
{
	if (index >= PCI_STD_NUM_BARS)
		return false;

	index = array_index_nospec(index, PCI_STD_NUM_BARS);

	return wc->core.bar_mmap_supported[index] &&
	       !IS_ERR(wc->core.barmap[index]);
}

static int wc_alias_get(struct wc_device *wc,
			struct vfio_device_feature_alias_region *req)
{
	if (req->region_index >= wc_alias_base(wc) + wc_alias_num(wc))
		return -EINVAL;

	req->memory_types = 0;
	if (wc_alias_is_mappable(wc, req->region_index) &&
	    !wc_guard_bar(wc, req->region_index))
		req->memory_types = BIT(VFIO_REGION_MEMORY_TYPE_WRITE_COMBINE);
	req->memory_type = 0;
	req->alias_index = 0;
	req->offset = 0;

	return 0;
}

/* Position of the alias of a BAR. There is room: one type, one alias a BAR. */
static unsigned int wc_alias_find_or_add(struct wc_device *wc, u32 bar)
{
	unsigned int i;

	mutex_lock(&wc->alias_lock);
	for (i = 0; i < wc->num_aliases; i++)
		if (wc->alias[i] == bar)
			goto out;
	wc->alias[i] = bar;
	/* Pairs with the load in wc_alias_num() */
	smp_store_release(&wc->num_aliases, i + 1);
out:
	mutex_unlock(&wc->alias_lock);

	return i;
}

static int wc_alias_set(struct wc_device *wc,
			struct vfio_device_feature_alias_region *req)
{
	int ret;

	if (!wc_alias_is_mappable(wc, req->region_index) ||
	    req->memory_type != VFIO_REGION_MEMORY_TYPE_WRITE_COMBINE)
		return -EINVAL;

	ret = wc_guard_bar(wc, req->region_index);
	if (ret)
		return ret;

	req->alias_index = wc_alias_base(wc) +
			   wc_alias_find_or_add(wc, req->region_index);
	req->offset = wc_alias_offset(req->region_index);
	req->memory_types = 0;

	return 0;
}

static int wc_alias_request(struct wc_device *wc, u32 flags, void __user *arg,
			    size_t argsz)
{
	struct vfio_device_feature_alias_region req;
	int ret;

	ret = vfio_check_feature(flags, argsz,
				 VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_SET, sizeof(req));
	if (ret != 1)
		return ret;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (req.flags)
		return -EINVAL;

	if (flags & VFIO_DEVICE_FEATURE_GET)
		ret = wc_alias_get(wc, &req);
	else
		ret = wc_alias_set(wc, &req);
	if (ret)
		return ret;

	return copy_to_user(arg, &req, sizeof(req)) ? -EFAULT : 0;
}

int wc_alias_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
		     size_t argsz)
{
	u32 feature = flags & VFIO_DEVICE_FEATURE_MASK;

	if (feature == VFIO_DEVICE_FEATURE_ALIAS_REGION)
		return wc_alias_request(wc_device(vdev), flags, arg, argsz);

	return vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
}

/* All of @info but its index, and the capabilities */
static int wc_alias_describe(struct wc_device *wc, u32 bar,
			     struct vfio_region_info *info,
			     struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_alias alias = {
		.header.id = VFIO_REGION_INFO_CAP_ALIAS,
		.header.version = 1,
		.region_index = bar,
		.memory_type = VFIO_REGION_MEMORY_TYPE_WRITE_COMBINE,
	};
	struct vfio_info_cap_header msix_mappable = {
		.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
		.version = 1,
	};
	int ret;

	info->offset = wc_alias_offset(bar);
	info->size = pci_resource_len(wc->core.pdev, bar);
	info->flags = VFIO_REGION_INFO_FLAG_MMAP;

	ret = vfio_info_add_capability(caps, &alias.header, sizeof(alias));
	if (ret || bar != wc->core.msix_bar)
		return ret;

	return vfio_info_add_capability(caps, &msix_mappable,
					sizeof(msix_mappable));
}

#ifdef WC_HAVE_REGION_INFO_CAPS

int wc_alias_region_info(struct vfio_device *vdev,
			 struct vfio_region_info *info,
			 struct vfio_info_cap *caps)
{
	u32 bar;

	if (wc_alias_find(wc_device(vdev), info->index, &bar))
		return wc_alias_describe(wc_device(vdev), bar, info, caps);

	return vfio_pci_ioctl_get_region_info(vdev, info, caps);
}

#else

/* Copy what wc_alias_describe() has found to the user, or say what it takes */
static int wc_alias_copy_info(struct vfio_region_info __user *arg,
			      struct vfio_region_info *info,
			      struct vfio_info_cap *caps)
{
	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (info->argsz < sizeof(*info) + caps->size) {
		info->argsz = sizeof(*info) + caps->size;
		info->cap_offset = 0;
	} else {
		vfio_info_cap_shift(caps, sizeof(*info));
		if (copy_to_user(arg + 1, caps->buf, caps->size))
			return -EFAULT;
		info->cap_offset = sizeof(*info);
	}

	return copy_to_user(arg, info, sizeof(*info)) ? -EFAULT : 0;
}

static long wc_alias_get_region_info(struct vfio_device *vdev,
				     unsigned long arg)
{
	struct vfio_region_info __user *user = (void __user *)arg;
	const size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_info_cap caps = { .buf = NULL, .size = 0 };
	struct vfio_region_info info = { };
	int ret;
	u32 bar;

	if (copy_from_user(&info, user, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	if (!wc_alias_find(wc_device(vdev), info.index, &bar))
		return vfio_pci_core_ioctl(vdev, VFIO_DEVICE_GET_REGION_INFO,
					   arg);

	ret = wc_alias_describe(wc_device(vdev), bar, &info, &caps);
	if (!ret)
		ret = wc_alias_copy_info(user, &info, &caps);
	kfree(caps.buf);

	return ret;
}

#endif /* WC_HAVE_REGION_INFO_CAPS */

/* The core's answer, with the aliases added to the number of regions */
static long wc_alias_get_info(struct vfio_device *vdev, unsigned long arg)
{
	struct vfio_device_info __user *info = (void __user *)arg;
	unsigned int num = wc_alias_num(wc_device(vdev));
	u32 regions;
	long ret;

	ret = vfio_pci_core_ioctl(vdev, VFIO_DEVICE_GET_INFO, arg);
	if (ret)
		return ret;

	if (get_user(regions, &info->num_regions) ||
	    put_user(regions + num, &info->num_regions))
		return -EFAULT;

	return 0;
}

long wc_alias_ioctl(struct vfio_device *vdev, unsigned int cmd,
		    unsigned long arg)
{
	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return wc_alias_get_info(vdev, arg);
#ifndef WC_HAVE_REGION_INFO_CAPS
	case VFIO_DEVICE_GET_REGION_INFO:
		return wc_alias_get_region_info(vdev, arg);
#endif
	default:
		return vfio_pci_core_ioctl(vdev, cmd, arg);
	}
}
