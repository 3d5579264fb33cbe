// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * What the module rests on and cannot know when it is built: the machine, who
 * else maps the BAR, how the running core sets up mappings and what it revokes.
 * Each is verified before an alias is granted or mapped, and what is not as
 * expected ends in a refusal that says what was found.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/sched.h>
#include <linux/string.h>

#include <generated/utsrelease.h>

#include "compat.h"
#include "vfio_pci_wc.h"

/*
 * -EOPNOTSUPP, with the reason in the log: once for each cause and device, since
 * users can ask as often as they like.
 */
int wc_guard_refuse(struct wc_device *wc, enum wc_cause cause,
		    const char *format, ...)
{
	struct va_format reason = { .fmt = format };
	va_list args;

	if (!test_and_set_bit(cause, &wc->refused)) {
		va_start(args, format);
		reason.va = &args;
		pci_warn(wc->core.pdev, "no write-combining alias: %pV\n",
			 &reason);
		va_end(args);
	}

	return -EOPNOTSUPP;
}

/* --- what the core revokes ------------------------------------------------ */

/*
 * Whether the core's revocation reaches where aliases are is tried once: map a
 * page at the offset of each BAR's alias, let the core revoke all mappings, look
 * whether the pages are gone. It is tried when a device is opened, before anyone
 * else can map it or has a descriptor of it. The pages are of the zero page, and
 * what makes the core revoke is entry into low power and exit from it: without
 * an idle notification in between this changes two flags and leaves the device
 * alone.
 */

/* 0: aliases are revoked, -ENXIO: they are not, otherwise: not known yet */
static int wc_guard_revocation = -EAGAIN;
static DEFINE_MUTEX(wc_guard_lock);

static void wc_guard_probe_close(struct vm_area_struct *vma)
{
	struct vfio_pci_core_device *core = vma->vm_private_data;

	wc_vma_list_lock(core);
	wc_vma_list_remove(core, vma);
	wc_vma_list_unlock(core);
}

static const struct vm_operations_struct wc_guard_probe_vm_ops = {
	.close = wc_guard_probe_close,
};

static int wc_guard_probe_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vfio_pci_core_device *core = file->private_data;
	int ret;

	/* Not for a child, which would keep it */
	wc_vm_flags_set(vma, VM_DONTCOPY);
	ret = remap_pfn_range(vma, vma->vm_start, page_to_pfn(ZERO_PAGE(0)),
			      PAGE_SIZE, vma->vm_page_prot);
	if (ret)
		return ret;

	wc_vma_list_lock(core);
	ret = wc_vma_list_add(core, vma, GFP_KERNEL_ACCOUNT);
	wc_vma_list_unlock(core);
	if (ret)
		return ret;

	vma->vm_private_data = core;
	vma->vm_ops = &wc_guard_probe_vm_ops;

	return 0;
}

static int wc_guard_probe_release(struct inode *inode, struct file *file)
{
	struct vfio_pci_core_device *core = file->private_data;

	put_device(&core->vdev.device);

	return 0;
}

static const struct file_operations wc_guard_probe_fops = {
	.owner = THIS_MODULE,
	.mmap = wc_guard_probe_mmap,
	.release = wc_guard_probe_release,
};

/*
 * A file whose mappings are among those of the device. Another thread of the
 * process can move them out of reach before they are unmapped, so that the file
 * may last longer than the device is open or bound.
 */
static struct file *wc_guard_probe_file(struct vfio_pci_core_device *core)
{
	struct device *dev = get_device(&core->vdev.device);
	struct file *file;

	file = anon_inode_getfile("[vfio-pci-wc]", &wc_guard_probe_fops, core,
				  O_RDONLY);
	if (IS_ERR(file))
		put_device(dev);
	else
		wc_set_mapping(file, &core->vdev);

	return file;
}

/* How many of the pages are mapped, or a negative error if one's VMA has gone */
static int wc_guard_probe_count(const unsigned long *addr, unsigned int num)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	struct wc_entry entry;
	unsigned int i;
	int count = 0;

	mmap_read_lock(mm);
	for (i = 0; i < num; i++) {
		vma = vma_lookup(mm, addr[i]);
		if (!vma || vma->vm_ops != &wc_guard_probe_vm_ops) {
			count = -EFAULT;
			break;
		}
		wc_pgtable_read(vma, addr[i], &entry);
		if (entry.type != WC_TYPE_NONE)
			count++;
	}
	mmap_read_unlock(mm);

	return count;
}

/* Let the core revoke what is mapped of a device that nobody uses yet */
static int wc_guard_make_core_revoke(struct vfio_pci_core_device *core)
{
	struct vfio_device *vdev = &core->vdev;
	struct device *dev = &core->pdev->dev;
	int ret;

	/* The core gives up its reference; the device is to stay awake */
	pm_runtime_get_noresume(dev);
	ret = vfio_pci_core_ioctl_feature(vdev, VFIO_DEVICE_FEATURE_SET |
					  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
					  NULL, 0);
	if (!ret)
		ret = vfio_pci_core_ioctl_feature(vdev,
						  VFIO_DEVICE_FEATURE_SET |
						  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
						  NULL, 0);
	pm_runtime_put_noidle(dev);

	return ret;
}

static int wc_guard_probe_revoke(struct vfio_pci_core_device *core,
				 const unsigned long *addr, unsigned int num)
{
	int ret;

	ret = wc_guard_probe_count(addr, num);
	if (ret != num)
		return ret < 0 ? ret : -EFAULT;

	ret = wc_guard_make_core_revoke(core);
	if (ret)
		return ret;

	ret = wc_guard_probe_count(addr, num);

	return ret > 0 ? -ENXIO : ret;
}

/* It may want for memory. What remains then, a page of zeros, is the process's. */
static void wc_guard_probe_unmap(unsigned long addr)
{
	if (vm_munmap(addr, PAGE_SIZE) == -ENOMEM)
		vm_munmap(addr, PAGE_SIZE);
}

static int wc_guard_probe(struct vfio_pci_core_device *core)
{
	unsigned long addr[PCI_STD_NUM_BARS];
	struct file *file;
	unsigned int bar;
	int ret = 0;

	file = wc_guard_probe_file(core);
	if (IS_ERR(file))
		return PTR_ERR(file);

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		addr[bar] = vm_mmap(file, 0, PAGE_SIZE, PROT_READ, MAP_SHARED,
				    wc_alias_offset(bar));
		if (IS_ERR_VALUE(addr[bar])) {
			ret = (long)addr[bar];
			break;
		}
	}
	if (!ret)
		ret = wc_guard_probe_revoke(core, addr, bar);

	while (bar--)
		wc_guard_probe_unmap(addr[bar]);
	fput(file);

	return ret;
}

/* At the first open of a device. What could not be tried is, at the next one. */
void wc_guard_core(struct wc_device *wc)
{
	mutex_lock(&wc_guard_lock);
	if (wc_guard_revocation && wc_guard_revocation != -ENXIO && current->mm)
		WRITE_ONCE(wc_guard_revocation, wc_guard_probe(&wc->core));
	mutex_unlock(&wc_guard_lock);
}

static int wc_guard_is_revoked(struct wc_device *wc)
{
	int ret = READ_ONCE(wc_guard_revocation);

	if (ret == -ENXIO)
		return wc_guard_refuse(wc, WC_CAUSE_REVOCATION,
				       "vfio-pci-core of Linux " UTS_RELEASE
				       " would leave it mapped when it revokes mappings");
	if (ret)
		return wc_guard_refuse(wc, WC_CAUSE_REVOCATION,
				       "could not check that vfio-pci-core revokes its mappings, error %d",
				       ret);
	return 0;
}

/* --- the BAR -------------------------------------------------------------- */

/*
 * The type that a BAR is tracked with is the one of the core's own mapping of
 * it, which gets what another owner has reserved before, even for a part. While
 * that mapping exists, the type cannot change. If another thread is about to
 * make it, a mapping for the moment tells, and wc_guard_vma() makes sure.
 */
static enum wc_type wc_guard_bar_type(struct vfio_pci_core_device *core,
				      u32 bar)
{
	void __iomem *map;
	enum wc_type type;

	wc_setup_barmap(core, bar);
	map = READ_ONCE(core->barmap[bar]);
	if (map)
		return wc_pgtable_iomap_type(map);

	map = pci_iomap(core->pdev, bar, 0);
	if (!map)
		return WC_TYPE_NONE;
	type = wc_pgtable_iomap_type(map);
	pci_iounmap(core->pdev, map);

	return type;
}

static int wc_guard_refuse_type(struct wc_device *wc, u32 bar,
				enum wc_type type)
{
	return wc_guard_refuse(wc, WC_CAUSE_BAR,
			       "BAR %u: another owner, such as a mapping of resource%u_wc in sysfs, has made it %s: close that first",
			       bar, bar, wc_pgtable_type_name(type));
}

/* Whether mappings of a BAR's alias will be write-combining, and revoked */
int wc_guard_bar(struct wc_device *wc, u32 bar)
{
	resource_size_t len = pci_resource_len(wc->core.pdev, bar);
	const char *why_not = wc_pgtable_why_no_wc();
	enum wc_type type;
	int ret;

	if (why_not)
		return wc_guard_refuse(wc, WC_CAUSE_MACHINE, "%s", why_not);

	if (len > WC_MAX_BAR)
		return wc_guard_refuse(wc, WC_CAUSE_SIZE,
				       "BAR %u of %llu GiB is larger than %llu GiB",
				       bar, (u64)len >> 30, WC_MAX_BAR >> 30);

	if (wc_pgtable_mtrr_is_wc(pci_resource_start(wc->core.pdev, bar), len))
		return wc_guard_refuse(wc, WC_CAUSE_MTRR,
				       "BAR %u: a memory-type range register, see /proc/mtrr, makes its default mapping write-combining",
				       bar);

	ret = wc_guard_is_revoked(wc);
	if (ret)
		return ret;

	type = wc_guard_bar_type(&wc->core, bar);
	if (type != WC_TYPE_UC_MINUS)
		return wc_guard_refuse_type(wc, bar, type);

	return 0;
}

/* --- what the core's mmap() has set up ------------------------------------ */

static const char *wc_guard_vma_differs(struct wc_device *wc,
					struct vm_area_struct *vma)
{
	const unsigned long flags = VM_SHARED | VM_IO | VM_PFNMAP |
				    VM_DONTEXPAND;

	if (!wc_has_mapping(vma->vm_file, &wc->core.vdev))
		return "the file's address space";
	if (vma->vm_private_data != &wc->core)
		return "vm_private_data";
	if ((vma->vm_flags & flags) != flags)
		return "vm_flags";
	if (!vma->vm_ops || !vma->vm_ops->fault)
		return "vm_ops";
	if (wc_pgtable_type(vma->vm_page_prot, false) != WC_TYPE_UC_MINUS)
		return "vm_page_prot";
	if (IS_ERR_OR_NULL(wc->core.barmap[wc_alias_bar(vma->vm_pgoff)]))
		return "barmap";

	return NULL;
}

/* After vfio_pci_core_mmap(): whether the rest of the module fits to it */
int wc_guard_vma(struct wc_device *wc, struct vm_area_struct *vma)
{
	u32 bar = wc_alias_bar(vma->vm_pgoff);
	const char *difference;
	enum wc_type type;

	difference = wc_guard_vma_differs(wc, vma);
	if (difference)
		return wc_guard_refuse(wc, WC_CAUSE_VMA,
				       "vfio-pci-core of Linux " UTS_RELEASE
				       " maps BARs in a way that the module does not know: %s",
				       difference);

	type = wc_guard_bar_type(&wc->core, bar);
	if (type != WC_TYPE_UC_MINUS)
		return wc_guard_refuse_type(wc, bar, type);

	return 0;
}

/* --- at load --------------------------------------------------------------- */

void wc_guard_init(void)
{
	static const char * const run_on[] = { "6.1.", "6.12.", "7.2.", "7.3." };
	unsigned int i;

	wc_pgtable_init();

	for (i = 0; i < ARRAY_SIZE(run_on); i++)
		if (str_has_prefix(UTS_RELEASE, run_on[i]))
			return;

	pr_notice("run on Linux 6.1, 6.12, 7.2 and 7.3 so far, not on " UTS_RELEASE
		  ": all that can be checked at run time is\n");
}
