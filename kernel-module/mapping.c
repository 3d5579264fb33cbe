// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * The list of all VMAs that map an alias.
 *
 * VMAs come and go under their mmap_lock, within which the lock of the list is
 * taken. Who looks at a VMA from here needs the locks in that order as well,
 * and so must give up the one of the list first: see wc_mapping_find().
 */

#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "vfio_pci_wc.h"

static LIST_HEAD(wc_mapping_list);
static DEFINE_MUTEX(wc_mapping_lock);
static u64 wc_mapping_last_id;

void wc_mapping_add(struct wc_mapping *mapping, struct wc_device *wc,
		    struct vm_area_struct *vma)
{
	mapping->wc = wc;
	mapping->vma = vma;
	atomic_long_set(&mapping->faults, 0);
	vma->vm_private_data = mapping;

	mutex_lock(&wc_mapping_lock);
	mapping->id = ++wc_mapping_last_id;
	list_add_tail(&mapping->node, &wc_mapping_list);
	mutex_unlock(&wc_mapping_lock);
}

void wc_mapping_remove(struct vm_area_struct *vma)
{
	struct wc_mapping *mapping = vma->vm_private_data;

	mutex_lock(&wc_mapping_lock);
	list_del(&mapping->node);
	mutex_unlock(&wc_mapping_lock);

	kfree(mapping);
}

/*
 * The first mapping with *@id or a later one whose process has not ended, or
 * NULL. The caller gets a reference on the address space, and has to look the
 * VMA at *@addr up again once it holds the mmap_lock: it may have gone.
 */
struct mm_struct *wc_mapping_find(u64 *id, unsigned long *addr)
{
	struct mm_struct *mm = NULL;
	struct wc_mapping *mapping;

	mutex_lock(&wc_mapping_lock);
	list_for_each_entry(mapping, &wc_mapping_list, node) {
		if (mapping->id < *id ||
		    !mmget_not_zero(mapping->vma->vm_mm))
			continue;

		mm = mapping->vma->vm_mm;
		*id = mapping->id;
		*addr = READ_ONCE(mapping->vma->vm_start);
		break;
	}
	mutex_unlock(&wc_mapping_lock);

	return mm;
}
