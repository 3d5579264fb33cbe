/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* The register file: reset, and reads that the device answers in host memory. */

#include <rte_common.h>

#include "ena_device.h"

#define VERSION 2	/* of the specification, major */
#define CONTROLLER_VERSION 1
#define RESET_TIMEOUT 30	/* in 100 ms */
#define ADMIN_TIMEOUT 0	/* the driver's own: its wait fails if the time is not in whole seconds */
#define DMA_BITS 48

void
ena_regs_init(struct ena_device *dev)
{
	uint32_t offset;

	for (offset = 0; offset < ENA_BAR_REGS_SIZE; offset += sizeof(uint32_t))
		ena_reg_write(dev, offset, 0);
	ena_reg_write(dev, ENA_REGS_VERSION_OFF, VERSION << ENA_REGS_VERSION_MAJOR_VERSION_SHIFT);
	ena_reg_write(dev, ENA_REGS_CONTROLLER_VERSION_OFF, CONTROLLER_VERSION);
	ena_reg_write(dev, ENA_REGS_CAPS_OFF, RESET_TIMEOUT << ENA_REGS_CAPS_RESET_TIMEOUT_SHIFT |
		DMA_BITS << ENA_REGS_CAPS_DMA_ADDR_WIDTH_SHIFT |
		ADMIN_TIMEOUT << ENA_REGS_CAPS_ADMIN_CMD_TO_SHIFT);
	ena_reg_write(dev, ENA_REGS_DEV_STS_OFF, ENA_REGS_DEV_STS_READY_MASK);
}

static bool
ena_regs_poll_reset(struct ena_device *dev)
{
	bool wanted = ena_reg_read(dev, ENA_REGS_DEV_CTL_OFF) & ENA_REGS_DEV_CTL_DEV_RESET_MASK;

	if (wanted == dev->in_reset)
		return false;
	if (wanted) {
		ena_admin_reset(dev);
		ena_aenq_reset(dev);
		ena_queues_reset(dev);
	}
	dev->in_reset = wanted;
	ena_reg_write(dev, ENA_REGS_DEV_STS_OFF, wanted ? ENA_REGS_DEV_STS_RESET_IN_PROGRESS_MASK :
		ENA_REGS_DEV_STS_READY_MASK | ENA_REGS_DEV_STS_RESET_FINISHED_MASK);
	return true;
}

/* The driver writes which register it wants, and waits for its number in host memory. */
static bool
ena_regs_poll_read(struct ena_device *dev)
{
	struct ena_admin_ena_mmio_req_read_less_resp *resp;
	uint32_t request = ena_reg_read(dev, ENA_REGS_MMIO_REG_READ_OFF);
	uint32_t offset = request >> ENA_REGS_MMIO_REG_READ_REG_OFF_SHIFT;

	if (request == 0)
		return false;
	resp = ena_reg_memory(dev, ENA_REGS_MMIO_RESP_LO_OFF, ENA_REGS_MMIO_RESP_HI_OFF);
	if (resp == NULL)
		return false;
	/* Before the answer, after which the driver may write the next request. */
	ena_reg_write(dev, ENA_REGS_MMIO_REG_READ_OFF, 0);
	resp->reg_off = offset;
	resp->reg_val = offset < ENA_BAR_REGS_SIZE ? ena_reg_read(dev, offset) : UINT32_MAX;
	rte_atomic_store_explicit(&resp->req_id, request & ENA_REGS_MMIO_REG_READ_REQ_ID_MASK,
		rte_memory_order_release);
	return true;
}

bool
ena_regs_poll(struct ena_device *dev)
{
	bool busy = ena_regs_poll_reset(dev);

	return ena_regs_poll_read(dev) || busy;
}
