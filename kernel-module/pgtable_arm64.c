// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * Page-table entries of arm64, where nobody tracks memory types and insertion
 * honours what vm_page_prot asks for.
 */

#include <linux/bitfield.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pgtable.h>
#ifdef WC_HAVE_PFN_T
#include <linux/pfn_t.h>
#define wc_pfn(pfn)	__pfn_to_pfn_t(pfn, PFN_DEV)
#else
#define wc_pfn(pfn)	(pfn)
#endif

#include <asm/memory.h>

#include "vfio_pci_wc.h"

void wc_pgtable_init(void)
{
}

/* Named by what x86 has for the same purpose. A large entry has the same field. */
enum wc_type wc_pgtable_type(pgprot_t prot, bool large)
{
	switch (FIELD_GET(PTE_ATTRINDX_MASK, pgprot_val(prot))) {
	case MT_NORMAL_NC:
		return WC_TYPE_WC;
	case MT_DEVICE_nGnRnE:
	case MT_DEVICE_nGnRE:
		return WC_TYPE_UC_MINUS;
	case MT_NORMAL:
	case MT_NORMAL_TAGGED:
		return WC_TYPE_WB;
	default:
		return WC_TYPE_NONE;
	}
}

pgprot_t wc_pgtable_writecombine(pgprot_t prot)
{
	return pgprot_writecombine(prot);
}

const char *wc_pgtable_why_no_wc(void)
{
	return arch_can_pci_mmap_wc() ? NULL : "the kernel does not map BARs write-combining";
}

/* One mapping does not determine the type of another one. */
enum wc_type wc_pgtable_iomap_type(const void __iomem *map)
{
	return WC_TYPE_UC_MINUS;
}

bool wc_pgtable_mtrr_is_wc(u64 start, u64 len)
{
	return false;
}

vm_fault_t wc_pgtable_insert(struct vm_fault *vmf, unsigned long pfn,
			     unsigned int order, enum wc_type *type)
{
	bool write __maybe_unused = vmf->flags & FAULT_FLAG_WRITE;

	*type = wc_pgtable_type(vmf->vma->vm_page_prot, order > 0);

	switch (order) {
	case 0:
		return vmf_insert_pfn(vmf->vma, vmf->address & PAGE_MASK, pfn);
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	case PMD_ORDER:
		return vmf_insert_pfn_pmd(vmf, wc_pfn(pfn), write);
#endif
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	case PUD_ORDER:
		return vmf_insert_pfn_pud(vmf, wc_pfn(pfn), write);
#endif
	default:
		return VM_FAULT_FALLBACK;
	}
}
