// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * Page-table entries of x86-64.
 *
 * vmf_insert_pfn() and its variants replace the memory type of vm_page_prot by
 * the one that the range is tracked with, UC- for what vfio-pci-core maps. So
 * the entries are written here. UC- stays the tracked type: the core's own
 * mapping of the BAR, which lasts from before the first mmap() to the last
 * close, keeps others from making it a cacheable one.
 *
 * Each entry is read back under its lock and decoded by the processor's PAT
 * register, not by the tables from which it was made.
 */

#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pgtable.h>

#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/mtrr.h>

#include "vfio_pci_wc.h"

/* IA32_PAT: the type of each of the eight values of the PWT, PCD and PAT bits */
static u64 wc_pgtable_pat;

void wc_pgtable_init(void)
{
	u32 low, high;

	if (!boot_cpu_has(X86_FEATURE_PAT))
		return;

	rdmsr(MSR_IA32_CR_PAT, low, high);
	wc_pgtable_pat = (u64)high << 32 | low;
}

enum wc_type wc_pgtable_type(pgprot_t prot, bool large)
{
	/* Intel SDM vol. 3A, "IA32_PAT MSR" */
	static const enum wc_type types[8] = {
		[0] = WC_TYPE_UC, [1] = WC_TYPE_WC, [4] = WC_TYPE_WT,
		[5] = WC_TYPE_WP, [6] = WC_TYPE_WB, [7] = WC_TYPE_UC_MINUS,
	};
	pgprotval_t val;
	unsigned int slot;

	if (large)
		prot = pgprot_large_2_4k(prot);

	val = pgprot_val(prot);
	slot = (val & _PAGE_PWT ? 1 : 0) | (val & _PAGE_PCD ? 2 : 0) |
	       (val & _PAGE_PAT ? 4 : 0);

	return types[wc_pgtable_pat >> slot * 8 & 7];
}

pgprot_t wc_pgtable_writecombine(pgprot_t prot)
{
	/* Replaced: pgprot_writecombine() of some kernels adds to the field */
	return __pgprot((pgprot_val(prot) & ~_PAGE_CACHE_MASK) |
			cachemode2protval(_PAGE_CACHE_MODE_WC));
}

/* NULL if there are write-combining mappings */
const char *wc_pgtable_why_no_wc(void)
{
	if (!arch_can_pci_mmap_wc())
		return "the page attribute table (PAT) is off, by nopat or for want of it";
	if (wc_pgtable_type(wc_pgtable_writecombine(__pgprot(0)), false) !=
	    WC_TYPE_WC)
		return "the page attribute table (PAT) has no write-combining entry";

	return NULL;
}

/* Of the kernel's own mapping of device memory */
enum wc_type wc_pgtable_iomap_type(const void __iomem *map)
{
	unsigned int level;
	pte_t *entry = lookup_address((__force unsigned long)map, &level);

	if (!entry || !pte_present(*entry))
		return WC_TYPE_NONE;

	return wc_pgtable_type(pte_pgprot(*entry), level != PG_LEVEL_4K);
}

/* Zero if there is no such register */
static u64 wc_pgtable_read_msr(u32 msr)
{
	u32 low, high;

	return rdmsr_safe(msr, &low, &high) ? 0 : (u64)high << 32 | low;
}

/*
 * Whether a range register makes a part of the range write-combining. What is
 * mapped UC- has that type then: Intel SDM vol. 3A, "Selecting Memory Types".
 */
bool wc_pgtable_mtrr_is_wc(u64 start, u64 len)
{
	unsigned int i, num = wc_pgtable_read_msr(MSR_MTRRcap) & 0xff;
	u64 base, mask, size;

	if (!(wc_pgtable_read_msr(MSR_MTRRdefType) & BIT(11)))
		return false;

	for (i = 0; i < num; i++) {
		base = wc_pgtable_read_msr(MTRRphysBase_MSR(i));
		mask = wc_pgtable_read_msr(MTRRphysMask_MSR(i));
		if (!(mask & BIT(11)) || (base & 0xff) != MTRR_TYPE_WRCOMB)
			continue;
		base &= PAGE_MASK;
		mask &= PAGE_MASK;
		size = mask & -mask;
		if (start < base + size && base < start + len)
			return true;
	}

	return false;
}

struct wc_pgtable_pte {
	struct mm_struct *mm;
	unsigned long pfn;
	pgprot_t prot;
	enum wc_type type;
};

/* With the lock of the page table held */
static int wc_pgtable_set_pte(pte_t *ptep, unsigned long addr, void *data)
{
	struct wc_pgtable_pte *pte = data;

	/* Another thread may have been here first */
	if (pte_none(ptep_get(ptep)))
		set_pte_at(pte->mm, addr, ptep,
			   pte_mkspecial(pfn_pte(pte->pfn, pte->prot)));

	pte->type = wc_pgtable_type(pte_pgprot(ptep_get(ptep)), false);

	return 0;
}

static vm_fault_t wc_pgtable_insert_pte(struct vm_fault *vmf,
					unsigned long pfn, enum wc_type *type)
{
	struct wc_pgtable_pte pte = {
		.mm = vmf->vma->vm_mm,
		.pfn = pfn,
		.prot = vmf->vma->vm_page_prot,
	};
	int ret;

	ret = apply_to_page_range(pte.mm, vmf->address & PAGE_MASK, PAGE_SIZE,
				  wc_pgtable_set_pte, &pte);
	if (ret)
		return ret == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;

	*type = pte.type;

	return VM_FAULT_NOPAGE;
}

/*
 * Entries of the higher levels go into the slot that the fault found empty. If
 * there is a table or a read-only entry by now, the lower level is to deal with
 * the fault.
 */

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
static vm_fault_t wc_pgtable_insert_pmd(struct vm_fault *vmf,
					unsigned long pfn, enum wc_type *type)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	pgprot_t prot = pgprot_4k_2_large(vmf->vma->vm_page_prot);
	vm_fault_t ret = VM_FAULT_NOPAGE;
	spinlock_t *lock;
	pmd_t pmd;

	lock = pmd_lock(mm, vmf->pmd);
	if (pmd_none(*vmf->pmd))
		set_pmd_at(mm, vmf->address & PMD_MASK, vmf->pmd,
			   pmd_mkspecial(pmd_mkhuge(pfn_pmd(pfn, prot))));
	pmd = *vmf->pmd;
	if (!pmd_leaf(pmd) ||
	    (vmf->flags & FAULT_FLAG_WRITE && !pmd_write(pmd)))
		ret = VM_FAULT_FALLBACK;
	else
		*type = wc_pgtable_type(pmd_pgprot(pmd), true);
	spin_unlock(lock);

	return ret;
}
#endif

#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
static vm_fault_t wc_pgtable_insert_pud(struct vm_fault *vmf,
					unsigned long pfn, enum wc_type *type)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	pgprot_t prot = pgprot_4k_2_large(vmf->vma->vm_page_prot);
	vm_fault_t ret = VM_FAULT_NOPAGE;
	spinlock_t *lock;
	pud_t pud;

	lock = pud_lock(mm, vmf->pud);
	if (pud_none(*vmf->pud))
		set_pud_at(mm, vmf->address & PUD_MASK, vmf->pud,
			   pud_mkspecial(pud_mkhuge(pfn_pud(pfn, prot))));
	pud = *vmf->pud;
	if (!pud_leaf(pud) ||
	    (vmf->flags & FAULT_FLAG_WRITE && !pud_write(pud)))
		ret = VM_FAULT_FALLBACK;
	else
		*type = wc_pgtable_type(pud_pgprot(pud), true);
	spin_unlock(lock);

	return ret;
}
#endif

/* VM_FAULT_NOPAGE: there is an entry, and @type has its memory type */
vm_fault_t wc_pgtable_insert(struct vm_fault *vmf, unsigned long pfn,
			     unsigned int order, enum wc_type *type)
{
	switch (order) {
	case 0:
		return wc_pgtable_insert_pte(vmf, pfn, type);
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	case PMD_ORDER:
		return wc_pgtable_insert_pmd(vmf, pfn, type);
#endif
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	case PUD_ORDER:
		return wc_pgtable_insert_pud(vmf, pfn, type);
#endif
	default:
		return VM_FAULT_FALLBACK;
	}
}
