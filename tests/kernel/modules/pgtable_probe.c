// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * Reads what the page tables of a process say about an address, for tests only:
 * arm64's page-table dump in debugfs shows the kernel's tables and no others.
 *
 * Write a hexadecimal address to /dev/pgtable_probe, then read from the same
 * file the size of the page there, its raw descriptor and its memory type:
 *
 *   2M 0x01e8008000000f49 Normal-NC
 *
 * or "none" where nothing is mapped. The tables are the reader's own.
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include <asm/sysreg.h>

/*
 * Stage 1 block and page descriptors: bit 0 is valid, AttrIndx in bits 4:2
 * selects a field of MAIR_EL1 (Arm ARM, DDI 0487, "Stage 1 memory region
 * attributes" in chapter D8).
 */
#define PROBE_ATTRINDX(desc)	(((desc) >> 2) & 7)

/*
 * Encoding of a field of MAIR_EL1 (DDI 0487, D19.2, MAIR_EL1): 0b0000dd00 is
 * Device memory, the high and the low nibble of anything else are the outer and
 * the inner attributes of Normal memory, of which 0b0100 is Non-cacheable.
 */
static const char *probe_type(u64 desc)
{
	switch ((read_sysreg(mair_el1) >> (8 * PROBE_ATTRINDX(desc))) & 0xff) {
	case 0x00:
		return "Device-nGnRnE";
	case 0x04:
		return "Device-nGnRE";
	case 0x08:
		return "Device-nGRE";
	case 0x0c:
		return "Device-GRE";
	case 0x44:
		return "Normal-NC";
	case 0xbb:
		return "Normal-WT";
	case 0xf0:
		return "Normal-Tagged";
	case 0xff:
		return "Normal";
	}

	return "other";
}

/*
 * The descriptor that maps @addr and the size of what it maps, or NULL. Under
 * mmap_lock, which keeps all levels but the last, and under RCU, which keeps
 * the last.
 */
static const char *probe_walk(struct mm_struct *mm, unsigned long addr,
			      u64 *desc)
{
	pgd_t *pgdp = pgd_offset(mm, addr);
	p4d_t *p4dp;
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;
	pte_t pte;

	if (pgd_none(READ_ONCE(*pgdp)))
		return NULL;
	p4dp = p4d_offset(pgdp, addr);
	if (p4d_none(READ_ONCE(*p4dp)))
		return NULL;

	pudp = pud_offset(p4dp, addr);
	pud = READ_ONCE(*pudp);
	if (!pud_present(pud))
		return NULL;
	if (pud_leaf(pud)) {
		*desc = pud_val(pud);
		return "1G";
	}

	pmdp = pmd_offset(pudp, addr);
	pmd = READ_ONCE(*pmdp);
	if (!pmd_present(pmd))
		return NULL;
	if (pmd_leaf(pmd)) {
		*desc = pmd_val(pmd);
		return "2M";
	}

	pte = READ_ONCE(*pte_offset_kernel(pmdp, addr));
	if (!pte_valid(pte))
		return NULL;
	*desc = pte_val(pte);

	return "4K";
}

static ssize_t probe_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *ppos)
{
	unsigned long addr;
	int ret;

	ret = kstrtoul_from_user(buf, count, 16, &addr);
	if (ret)
		return ret;
	if (addr >= TASK_SIZE)
		return -EINVAL;
	file->private_data = (void *)addr;

	return count;
}

static ssize_t probe_read(struct file *file, char __user *buf, size_t count,
			  loff_t *ppos)
{
	unsigned long addr = (unsigned long)file->private_data;
	struct mm_struct *mm = current->mm;
	const char *size;
	char text[64];
	u64 desc;
	int len;

	mmap_read_lock(mm);
	rcu_read_lock();
	size = probe_walk(mm, addr, &desc);
	rcu_read_unlock();
	mmap_read_unlock(mm);

	if (size)
		len = scnprintf(text, sizeof(text), "%s 0x%016llx %s\n", size,
				desc, probe_type(desc));
	else
		len = scnprintf(text, sizeof(text), "none\n");

	return simple_read_from_buffer(buf, count, ppos, text, len);
}

static int probe_open(struct inode *inode, struct file *file)
{
	/* misc_open() leaves the misc device here */
	file->private_data = NULL;

	return 0;
}

static const struct file_operations probe_fops = {
	.owner = THIS_MODULE,
	.open = probe_open,
	.read = probe_read,
	.write = probe_write,
};

static struct miscdevice probe_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pgtable_probe",
	.fops = &probe_fops,
};
module_misc_device(probe_dev);

MODULE_DESCRIPTION("Shows the memory type of user pages, for tests");
MODULE_LICENSE("GPL");
