/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rte_atomic.h>
#include <rte_common.h>
#include <rte_interrupts.h>
#include <rte_io.h>

#include "eal_wc_compat.h"
#include "ivshmem_intr.h"
#include "ivshmem_log.h"

/* Queues */

static struct ivshmem_rx_ring *
ivshmem_intr_ring_of(const struct ivshmem_rxq *rxq, uint16_t number)
{
	return &rxq->rings[number * rxq->stride];
}

static void
ivshmem_intr_arm(struct ivshmem_rxq *rxq, uint32_t armed)
{
	uint16_t n;

	for (n = 0; n < rxq->nb_rings; n++)
		ivshmem_intr_ring_of(rxq, n)->credit->armed = rte_cpu_to_le_32(armed);
}

/* Something is at the place where a packet would start: enough to look again. */
static bool
ivshmem_intr_has_work(const struct ivshmem_rxq *rxq)
{
	uint16_t n;

	for (n = 0; n < rxq->nb_rings; n++) {
		const struct ivshmem_rx_ring *ring = ivshmem_intr_ring_of(rxq, n);
		const uint32_t pos = rte_atomic_load_explicit(&ring->pos, rte_memory_order_relaxed);
		const uint32_t header = rte_le_to_cpu_32(*(const volatile rte_le32_t *)
			(ring->heads + (size_t)(pos & ring->mask) * IVSHMEM_LINE));

		if ((header & IVSHMEM_HEADER_LEN) != 0 && header >> IVSHMEM_HEADER_LAP_SHIFT ==
				(uint16_t)(pos >> ring->lap_shift))
			return true;
	}
	return false;
}

/* The eventfd of a device's interrupt is shared with the kernel only. */
static void
ivshmem_intr_wake_by_interrupt(const struct rte_eth_dev *dev, uint16_t queue)
{
	const uint64_t one = 1;
	const int fd = rte_intr_efds_index_get(dev->intr_handle, queue);

	/* Fails only if it has been woken more often than a counter holds. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		IVSHMEM_LOG(DEBUG, "queue %u is not woken: %s", queue, strerror(errno));
}

/* On the host what queues sleep on belongs to the primary process. */
static bool
ivshmem_intr_has_waiters(const struct ivshmem_port *port)
{
	return !port->device && rte_eal_process_type() == RTE_PROC_PRIMARY;
}

/* As the doorbell would. */
static void
ivshmem_intr_wake(const struct rte_eth_dev *dev, uint16_t queue)
{
	const struct ivshmem_port *port = ivshmem_port_of(dev);

	if (port->device)
		ivshmem_intr_wake_by_interrupt(dev, queue);
	else if (ivshmem_intr_has_waiters(port))
		ivshmem_waiter_wake(&port->doorbell.waiters[queue]);
}

int
ivshmem_rx_intr_enable(struct rte_eth_dev *dev, uint16_t queue)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	struct ivshmem_rxq *rxq = &port->rxqs[queue];

	if (!port->sleeps)
		return -ENOTSUP;
	rxq->armed = true;
	pthread_mutex_lock(&port->link.lock);
	/* Without a session there are no rings; they are armed when there are. */
	if (port->link.accepted != 0)
		ivshmem_intr_arm(rxq, 1);
	/* Either the sender sees that, or what it has sent is seen here. */
	rte_mb();
	if (port->link.up && ivshmem_intr_has_work(rxq))
		ivshmem_intr_wake(dev, queue);
	pthread_mutex_unlock(&port->link.lock);
	return 0;
}

int
ivshmem_rx_intr_disable(struct rte_eth_dev *dev, uint16_t queue)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	struct ivshmem_rxq *rxq = &port->rxqs[queue];

	if (!port->sleeps)
		return -ENOTSUP;
	rxq->armed = false;
	pthread_mutex_lock(&port->link.lock);
	if (port->link.accepted != 0)
		ivshmem_intr_arm(rxq, 0);
	pthread_mutex_unlock(&port->link.lock);
	/* EAL does it for a device's. */
	if (ivshmem_intr_has_waiters(port))
		ivshmem_waiter_clear(&port->doorbell.waiters[queue]);
	return 0;
}

void
ivshmem_intr_watch(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	uint16_t queue;

	if (!port->sleeps || !port->link.up)
		return;
	for (queue = 0; queue < port->nb_rxq; queue++) {
		struct ivshmem_rxq *rxq = &port->rxqs[queue];

		if (!rxq->armed)
			continue;
		/* A new session has disarmed it. */
		ivshmem_intr_arm(rxq, 1);
		rte_mb();
		if (ivshmem_intr_has_work(rxq)) {
			rxq->count.late_wakes++;
			ivshmem_intr_wake(dev, queue);
		}
	}
}

bool
ivshmem_intr_notify(const struct ivshmem_port *port, uint16_t peer_id, uint16_t vector)
{
	if (port->doorbell.reg != NULL) {
		rte_write32(rte_cpu_to_le_32(ivshmem_doorbell_value(peer_id, vector)),
			port->doorbell.reg);
		return true;
	}
	/* Eventfds are the primary's: for a secondary process the receiver's heartbeat wakes. */
	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return false;
	if (port->doorbell.client != NULL)
		return ivshmem_client_notify(port->doorbell.client, peer_id, vector);
	return port->doorbell.server != NULL &&
		ivshmem_server_notify(port->doorbell.server, peer_id, vector) != 0;
}

/* The interrupt handle */

static int
ivshmem_intr_start_device(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	struct rte_intr_handle *handle = dev->intr_handle;
	uint16_t n;
	int ret;

	if (port->doorbell.reg == NULL || !rte_intr_cap_multiple(handle)) {
		IVSHMEM_LOG(ERR, "%s: receive interrupts need MSI-X: use QEMU's ivshmem-doorbell with "
			"%u vectors or more", port->name, port->nb_rxq + 1);
		return -ENOTSUP;
	}
	ret = rte_intr_efd_enable(handle, port->nb_rxq);
	if (ret != 0)
		return ret < 0 ? ret : -ENOTSUP;
	ret = rte_intr_vec_list_alloc(handle, NULL, port->nb_rxq);
	if (ret != 0)
		goto disable;
	for (n = 0; n < port->nb_rxq; n++)
		rte_intr_vec_list_index_set(handle, n, RTE_INTR_VEC_RXTX_OFFSET + n);
	ret = rte_intr_enable(handle);
	if (ret != 0) {
		IVSHMEM_LOG(ERR, "%s: cannot enable %u interrupts: start QEMU with vectors=%u or "
			"more", port->name, port->nb_rxq + 1, port->nb_rxq + 1);
		goto free;
	}
	port->doorbell.first_vector = RTE_INTR_VEC_RXTX_OFFSET;
	return 0;

free:
	rte_intr_vec_list_free(handle);
disable:
	rte_intr_efd_disable(handle);
	return -ENOTSUP;
}

static void
ivshmem_intr_stop_waiters(struct ivshmem_port *port, uint16_t nb)
{
	while (nb-- > 0)
		ivshmem_waiter_fini(&port->doorbell.waiters[nb]);
}

/* What the peer signals for a queue of the host. */
static int
ivshmem_intr_own_fd(const struct ivshmem_port *port, uint16_t queue)
{
	return port->doorbell.client != NULL ? ivshmem_client_own_fd(port->doorbell.client, queue) :
		ivshmem_server_own_fd(port->doorbell.server, queue);
}

static int
ivshmem_intr_start_waiters(struct ivshmem_port *port)
{
	uint16_t n;
	int ret;

	for (n = 0; n < port->nb_rxq; n++) {
		ret = ivshmem_waiter_init(&port->doorbell.waiters[n], ivshmem_intr_own_fd(port, n));
		if (ret < 0) {
			IVSHMEM_LOG(ERR, "%s: queue %u cannot sleep: %s", port->name, n,
				strerror(-ret));
			ivshmem_intr_stop_waiters(port, n);
			return ret;
		}
	}
	return 0;
}

/* This driver makes the handle: vectors are what waits for the doorbell server's eventfds. */
static int
ivshmem_intr_start_host(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	struct rte_intr_handle *handle;
	uint16_t n;
	int ret;

	if (port->doorbell.server == NULL && port->doorbell.client == NULL) {
		IVSHMEM_LOG(ERR, "%s: receive interrupts need doorbells: use socket=PATH, and the same "
			"for QEMU's ivshmem-doorbell", port->name);
		return -ENOTSUP;
	}
	ret = ivshmem_intr_start_waiters(port);
	if (ret < 0)
		return ret;
	ret = -ENOMEM;
	handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (handle == NULL)
		goto stop;
	/* There is nothing for EAL to read: with a size of 0 it does not. */
	if (rte_intr_type_set(handle, RTE_INTR_HANDLE_VDEV) != 0 ||
			rte_intr_efd_counter_size_set(handle, 0) != 0 ||
			rte_intr_vec_list_alloc(handle, NULL, port->nb_rxq) != 0 ||
			rte_intr_nb_efd_set(handle, port->nb_rxq) != 0 ||
			rte_intr_max_intr_set(handle, port->nb_rxq + 1) != 0)
		goto free;
	for (n = 0; n < port->nb_rxq; n++) {
		if (rte_intr_vec_list_index_set(handle, n, RTE_INTR_VEC_RXTX_OFFSET + n) != 0 ||
				rte_intr_efds_index_set(handle, n,
					port->doorbell.waiters[n].fd) != 0)
			goto free;
	}
	port->doorbell.first_vector = 0;
	dev->intr_handle = handle;
	return 0;

free:
	rte_intr_vec_list_free(handle);
	rte_intr_instance_free(handle);
stop:
	ivshmem_intr_stop_waiters(port, port->nb_rxq);
	return ret;
}

int
ivshmem_intr_start(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	int ret;

	if (dev->data->dev_conf.intr_conf.rxq == 0 || port->nb_rxq == 0)
		return 0;
	ret = port->device ? ivshmem_intr_start_device(dev) : ivshmem_intr_start_host(dev);
	port->sleeps = ret == 0;
	return ret;
}

void
ivshmem_intr_stop(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	struct rte_intr_handle *handle = dev->intr_handle;
	uint16_t n;

	if (!port->sleeps)
		return;
	port->sleeps = false;
	for (n = 0; n < port->nb_rxq; n++)
		port->rxqs[n].armed = false;
	if (port->device) {
		rte_intr_disable(handle);
		rte_intr_vec_list_free(handle);
		rte_intr_efd_disable(handle);
		return;
	}
	dev->intr_handle = NULL;
	rte_intr_vec_list_free(handle);
	rte_intr_instance_free(handle);
	ivshmem_intr_stop_waiters(port, port->nb_rxq);
}
