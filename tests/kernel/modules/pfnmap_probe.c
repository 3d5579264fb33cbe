// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * A second user of fault-inserted pfnmaps, for tests only: maps any physical
 * range, asking for write-combining, so that what x86 makes of the request can
 * be read from the page tables.
 *
 * /dev/pfnmap_probe      does not opt in
 * /dev/pfnmap_probe_any  sets VM_ALLOW_ANY_UNCACHED, as vfio-pci does
 *
 * mmap() takes the physical address as the offset. Writing "TYPE ADDRESS LENGTH"
 * (TYPE is uc-, uc, wc, wt or wb) ioremaps a range and so has it tracked with
 * that type, until the file is closed.
 */

#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/version.h>

/* Linux 6.17 has no pfn_t any more */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>
#define insert_pfn_pmd(vmf, pfn) vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV), false)
#else
#define insert_pfn_pmd(vmf, pfn) vmf_insert_pfn_pmd(vmf, pfn, false)
#endif

static vm_fault_t probe_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = vmf->address & ~((PAGE_SIZE << order) - 1);
	unsigned long pfn = vma->vm_pgoff +
			    ((addr - vma->vm_start) >> PAGE_SHIFT);

	if (!order)
		return vmf_insert_pfn(vma, vmf->address, pfn);

	if (order != PMD_ORDER || addr < vma->vm_start ||
	    addr + (PAGE_SIZE << order) > vma->vm_end ||
	    pfn & ((1UL << order) - 1))
		return VM_FAULT_FALLBACK;

	return insert_pfn_pmd(vmf, pfn);
}

static vm_fault_t probe_fault(struct vm_fault *vmf)
{
	return probe_huge_fault(vmf, 0);
}

static const struct vm_operations_struct probe_vm_ops = {
	.fault = probe_fault,
	.huge_fault = probe_huge_fault,
};

static int probe_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &probe_vm_ops;

	return 0;
}

static int probe_mmap_any(struct file *file, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_ALLOW_ANY_UNCACHED);

	return probe_mmap(file, vma);
}

static void __iomem *probe_ioremap(const char *type, phys_addr_t start,
				   size_t size)
{
	if (!strcmp(type, "uc-"))
		return ioremap(start, size);
	if (!strcmp(type, "uc"))
		return ioremap_uc(start, size);
	if (!strcmp(type, "wc"))
		return ioremap_wc(start, size);
	if (!strcmp(type, "wt"))
		return ioremap_wt(start, size);
	if (!strcmp(type, "wb"))
		return ioremap_cache(start, size);

	return NULL;
}

static ssize_t probe_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *ppos)
{
	unsigned long long start, size;
	char text[64], type[4];

	if (file->private_data)
		return -EBUSY;
	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = '\0';
	if (sscanf(text, "%3s %llx %llx", type, &start, &size) != 3)
		return -EINVAL;

	file->private_data = (__force void *)probe_ioremap(type, start, size);

	return file->private_data ? count : -EINVAL;
}

static int probe_open(struct inode *inode, struct file *file)
{
	/* misc_open() leaves the misc device here */
	file->private_data = NULL;

	return 0;
}

static int probe_release(struct inode *inode, struct file *file)
{
	if (file->private_data)
		iounmap((__force void __iomem *)file->private_data);

	return 0;
}

static const struct file_operations probe_fops = {
	.owner = THIS_MODULE,
	.open = probe_open,
	.release = probe_release,
	.write = probe_write,
	.mmap = probe_mmap,
};

static const struct file_operations probe_any_fops = {
	.owner = THIS_MODULE,
	.open = probe_open,
	.release = probe_release,
	.write = probe_write,
	.mmap = probe_mmap_any,
};

static struct miscdevice probe_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pfnmap_probe",
	.fops = &probe_fops,
};

static struct miscdevice probe_any_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pfnmap_probe_any",
	.fops = &probe_any_fops,
};

static int __init probe_init(void)
{
	int ret;

	ret = misc_register(&probe_dev);
	if (ret)
		return ret;
	ret = misc_register(&probe_any_dev);
	if (ret)
		misc_deregister(&probe_dev);

	return ret;
}
module_init(probe_init);

static void __exit probe_exit(void)
{
	misc_deregister(&probe_any_dev);
	misc_deregister(&probe_dev);
}
module_exit(probe_exit);

MODULE_DESCRIPTION("Maps physical ranges write-combining, for tests");
MODULE_LICENSE("GPL");
