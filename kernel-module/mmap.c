// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * Mappings of aliases. The core checks and sets up a VMA as for the BAR; then
 * it gets the other memory type and the fault handler below, which takes the
 * core's decisions and writes its own entries.
 */

#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "compat.h"
#include "vfio_pci_wc.h"

static bool wc_mmap_huge = true;
module_param_named(huge, wc_mmap_huge, bool, 0444);
MODULE_PARM_DESC(huge, "Map aliases with 2 MiB and 1 GiB pages where the kernel has them for BARs");

/* First page frame of a VMA. The page offset counts from the alias's start. */
static unsigned long wc_mmap_first_pfn(const struct vm_area_struct *vma)
{
	const struct wc_mapping *mapping = vma->vm_private_data;
	u32 bar = wc_alias_bar(vma->vm_pgoff);

	return (pci_resource_start(mapping->wc->core.pdev, bar) >> PAGE_SHIFT) +
	       (vma->vm_pgoff & (WC_ALIAS_PGOFF - 1));
}

/* Whether an entry of this order at @addr lies in the VMA and is aligned */
static bool wc_mmap_fits(const struct vm_area_struct *vma, unsigned long addr,
			 unsigned long pfn, unsigned int order)
{
	return addr >= vma->vm_start &&
	       addr + (PAGE_SIZE << order) <= vma->vm_end &&
	       IS_ALIGNED(pfn, 1UL << order);
}

/* The entry must not stay, and what is not write-combining must not be quiet */
static vm_fault_t wc_mmap_reject_entry(struct vm_area_struct *vma,
				       unsigned long addr, unsigned int order,
				       enum wc_type type)
{
	struct wc_mapping *mapping = vma->vm_private_data;

	wc_guard_refuse(mapping->wc, WC_CAUSE_ENTRY,
			"BAR %u: a page-table entry of order %u reads back as %s: SIGBUS",
			wc_alias_bar(vma->vm_pgoff), order,
			wc_pgtable_type_name(type));
	wc_pgtable_zap(vma, addr, PAGE_SIZE << order);

	return VM_FAULT_SIGBUS;
}

/* Under memory_lock: the core revokes mappings with it held for write */
static vm_fault_t wc_mmap_insert(struct vm_fault *vmf, unsigned long pfn,
				 unsigned int order, enum wc_type *type)
{
	struct wc_mapping *mapping = vmf->vma->vm_private_data;
	struct vfio_pci_core_device *core = &mapping->wc->core;

	if (core->pm_runtime_engaged || !wc_memory_enabled(core))
		return VM_FAULT_SIGBUS;
	if (wc_vma_list_add(core, vmf->vma, GFP_KERNEL_ACCOUNT))
		return VM_FAULT_OOM;

	return wc_pgtable_insert(vmf, pfn, order, type);
}

static vm_fault_t wc_mmap_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct wc_mapping *mapping = vma->vm_private_data;
	struct vfio_pci_core_device *core = &mapping->wc->core;
	unsigned long addr = ALIGN_DOWN(vmf->address, PAGE_SIZE << order);
	unsigned long pfn = wc_mmap_first_pfn(vma) +
			    ((addr - vma->vm_start) >> PAGE_SHIFT);
	enum wc_type type = WC_TYPE_WC;
	vm_fault_t ret;

	if (order && (!wc_mmap_huge || !wc_mmap_fits(vma, addr, pfn, order)))
		return VM_FAULT_FALLBACK;

	atomic_long_inc(&mapping->faults);

	wc_vma_list_lock(core);
	down_read(&core->memory_lock);
	ret = wc_mmap_insert(vmf, pfn, order, &type);
	up_read(&core->memory_lock);
	wc_vma_list_unlock(core);

	if (ret == VM_FAULT_NOPAGE && type != WC_TYPE_WC)
		return wc_mmap_reject_entry(vma, addr, order, type);

	return ret;
}

static vm_fault_t wc_mmap_fault(struct vm_fault *vmf)
{
	return wc_mmap_huge_fault(vmf, 0);
}

/* A copy of a VMA: fork(), or a part that munmap() and others split off */
static void wc_mmap_open(struct vm_area_struct *vma)
{
	const struct wc_mapping *original = vma->vm_private_data;
	struct vfio_pci_core_device *core = &original->wc->core;
	struct wc_mapping *mapping;

	/* There is no way to report an error from here */
	mapping = kzalloc(sizeof(*mapping),
			  GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	wc_mapping_add(mapping, original->wc, vma);

	/*
	 * fork() copies page-table entries before or after this, as the kernel's
	 * version has it, all within the mmap_lock that the core needs in order
	 * to revoke them: they are for a VMA on the list in either case.
	 */
	wc_vma_list_lock(core);
	wc_vma_list_add(core, vma, GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	wc_vma_list_unlock(core);
}

static void wc_mmap_close(struct vm_area_struct *vma)
{
	struct wc_mapping *mapping = vma->vm_private_data;

	wc_vma_list_lock(&mapping->wc->core);
	wc_vma_list_remove(&mapping->wc->core, vma);
	wc_vma_list_unlock(&mapping->wc->core);

	wc_mapping_remove(vma);
}

static const struct vm_operations_struct wc_mmap_vm_ops = {
	.open = wc_mmap_open,
	.close = wc_mmap_close,
	.fault = wc_mmap_fault,
#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
	.huge_fault = wc_mmap_huge_fault,
#endif
};

bool wc_mmap_is_alias(const struct vm_area_struct *vma)
{
	return vma->vm_ops == &wc_mmap_vm_ops;
}

int wc_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct wc_device *wc = wc_device(vdev);
	unsigned long pgoff = vma->vm_pgoff;
	struct wc_mapping *mapping;
	int ret;

	if (!wc_alias_exists_at(wc, pgoff))
		return vfio_pci_core_mmap(vdev, vma);

	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL_ACCOUNT);
	if (!mapping)
		return -ENOMEM;

	/* Nobody else has this VMA yet. Cores before 6.10 leave a PFN there. */
	vma->vm_pgoff = pgoff & ~WC_ALIAS_PGOFF;
	ret = vfio_pci_core_mmap(vdev, vma);
	vma->vm_pgoff = pgoff;
	if (!ret)
		ret = wc_guard_vma(wc, vma);
	if (ret) {
		kfree(mapping);
		return ret;
	}

	vma->vm_page_prot = wc_pgtable_writecombine(vma->vm_page_prot);
	vma->vm_ops = &wc_mmap_vm_ops;
	wc_mapping_add(mapping, wc, vma);

	return 0;
}
