/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * The driver against a peer that an input makes up: libFuzzer with ASan and UBSan, see
 * devtools/fuzz-ivshmem.
 *
 * The region has unmapped pages around it, in both of its mappings, and each mbuf is an allocation
 * of its own: an access outside of either ends the run. An input is a configuration and then steps:
 * what the peer writes, and calls of the driver, whose results are checked.
 */

#include <inttypes.h>
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ethdev_driver.h>
#include <rte_alarm.h>
#include <rte_cycles.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "ivshmem_ethdev.h"
#include "ivshmem_link.h"
#include "ivshmem_rxtx.h"

#define LINES 256
#define MAX_RINGS 4
#define MAX_REGION (IVSHMEM_CONTROL_SIZE + 2 * MAX_RINGS * LINES * IVSHMEM_LINE)
#define GUARD (1 << 20)
#define MAX_BURST 64
#define MAX_STEPS 64
/* Of the frames of a burst to send: more of long ones only take time. */
#define MAX_BYTES 10000

#define REQUIRE(cond) do { \
	if (!(cond)) { \
		fprintf(stderr, "fuzz-ivshmem: %s:%d: %s does not hold\n", __FILE__, __LINE__, #cond); \
		abort(); \
	} \
} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback fn, void *arg);
int __wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback fn, void *arg);
long __wrap_syscall(long number, ...);
uint64_t __wrap_rte_get_tsc_hz(void);
uint64_t __wrap_rte_rand(void);

static uint64_t executions, received, sent, bad_packets, oversized, bad_credits, no_mbuf, resyncs,
	links_up;

/* What the driver asks of EAL: the heartbeat is a step of the input, numbers repeat. */

int
__wrap_rte_eal_alarm_set(uint64_t us __rte_unused, rte_eal_alarm_callback fn __rte_unused,
	void *arg __rte_unused)
{
	return 0;
}

int
__wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback fn __rte_unused, void *arg __rte_unused)
{
	return 0;
}

uint64_t
__wrap_rte_get_tsc_hz(void)
{
	return UINT64_C(1) << 40;
}

/* membarrier(): there is one thread, and it would ask all CPUs. */
long
__wrap_syscall(long number __rte_unused, ...)
{
	return 0;
}

static uint64_t random_state;

uint64_t
__wrap_rte_rand(void)
{
	return ++random_state * UINT64_C(0x9e3779b97f4a7c15) >> 16;
}

/* Input */

struct input {
	const uint8_t *data;
	size_t size;
};

static uint32_t
take(struct input *input, unsigned int nb)
{
	uint32_t value = 0;
	unsigned int n;

	for (n = 0; n < nb && input->size != 0; n++, input->data++, input->size--)
		value |= (uint32_t)*input->data << 8 * n;
	return value;
}

/* The port */

static struct {
	uint8_t *region;	/* between guards; the control area is at its start */
	uint8_t *slots;		/* the same slots, mapped once more, between guards too */
	int fd;
	unsigned int rings;
	struct rte_eth_dev dev;
	struct rte_eth_dev_data data;
	struct rte_eth_dev_info info;
	struct ivshmem_port port;
	void *queues[2][IVSHMEM_MAX_RINGS];
	const struct ivshmem_burst *burst;
} env;

/*
 * Mbufs: each is an allocation that ends with its buffer. Those that are free are kept by their
 * size, out of bounds for everybody.
 */

/* Lines in the buffer of one, at most, and how many of a size are kept */
#define MAX_LINES 160
#define MAX_STOCK 1024

static struct {
	struct rte_mempool pool;
	struct rte_pktmbuf_pool_private private;
} mbufs;
static struct {
	struct rte_mbuf *list[MAX_STOCK];
	unsigned int nb;
} stock[MAX_LINES];
static uint32_t outstanding, mbuf_limit;
/* What the peer writes at the next allocation: between the driver's look and its copy */
static volatile uint32_t *surprise_at;
static uint32_t surprise;

static uint32_t
room_lines(void)
{
	return (mbufs.private.mbuf_data_room_size - RTE_PKTMBUF_HEADROOM) / IVSHMEM_LINE;
}

static size_t
mbuf_size(void)
{
	return sizeof(struct rte_mbuf) + mbufs.private.mbuf_data_room_size;
}

static struct rte_mbuf *
new_mbuf(void)
{
	const uint32_t lines = room_lines();
	struct rte_mbuf *mbuf;

	if (stock[lines].nb != 0) {
		mbuf = stock[lines].list[--stock[lines].nb];
		ASAN_UNPOISON_MEMORY_REGION(mbuf, mbuf_size());
	} else {
		mbuf = aligned_alloc(RTE_CACHE_LINE_SIZE, mbuf_size());
		REQUIRE(mbuf != NULL);
	}
	memset(mbuf, 0, sizeof(*mbuf));
	mbuf->buf_addr = mbuf + 1;
	mbuf->buf_len = mbufs.private.mbuf_data_room_size;
	mbuf->pool = &mbufs.pool;
	mbuf->nb_segs = 1;
	rte_mbuf_refcnt_set(mbuf, 1);
	return mbuf;
}

static int
pool_dequeue(struct rte_mempool *pool __rte_unused, void **objects, unsigned int nb)
{
	unsigned int n;

	if (surprise_at != NULL)
		*surprise_at = surprise;
	surprise_at = NULL;
	if (outstanding + nb > mbuf_limit)
		return -ENOBUFS;
	for (n = 0; n < nb; n++)
		objects[n] = new_mbuf();
	outstanding += nb;
	return 0;
}

static int
pool_enqueue(struct rte_mempool *pool __rte_unused, void * const *objects, unsigned int nb)
{
	const uint32_t lines = room_lines();
	unsigned int n;

	for (n = 0; n < nb; n++) {
		struct rte_mbuf *mbuf = objects[n];

		REQUIRE(mbuf->next == NULL && mbuf->nb_segs == 1);
		REQUIRE(stock[lines].nb < MAX_STOCK);
		ASAN_POISON_MEMORY_REGION(mbuf, mbuf_size());
		stock[lines].list[stock[lines].nb++] = mbuf;
	}
	REQUIRE(outstanding >= nb);
	outstanding -= nb;
	return 0;
}

static int
pool_alloc(struct rte_mempool *pool __rte_unused)
{
	return 0;
}

static unsigned int
pool_count(const struct rte_mempool *pool __rte_unused)
{
	return mbuf_limit - outstanding;
}

static const struct rte_mempool_ops pool_ops = {
	.name = "fuzz",
	.alloc = pool_alloc,
	.get_count = pool_count,
	.enqueue = pool_enqueue,
	.dequeue = pool_dequeue,
};

static void
make_pool(uint32_t lines)
{
	mbufs.pool.pool_data = &mbufs;
	mbufs.pool.private_data_size = sizeof(mbufs.private);
	mbufs.pool.size = 1024;
	mbufs.private.mbuf_data_room_size = RTE_PKTMBUF_HEADROOM + lines * IVSHMEM_LINE;
	mbuf_limit = MAX_STOCK;
}

static void *
map_between_guards(size_t size, off_t offset)
{
	uint8_t *area = mmap(NULL, size + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(area != MAP_FAILED);
	REQUIRE(mmap(area + GUARD, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, env.fd,
		offset) != MAP_FAILED);
	return area + GUARD;
}

/* A region of another number of rings ends somewhere else. */
static void
map_region(unsigned int rings)
{
	static struct {
		uint8_t *region, *slots;
	} maps[MAX_RINGS + 1];
	const size_t size = ivshmem_region_size(rings, LINES);

	if (maps[rings].region == NULL) {
		maps[rings].region = map_between_guards(size, 0);
		maps[rings].slots = map_between_guards(size - IVSHMEM_CONTROL_SIZE,
			IVSHMEM_CONTROL_SIZE);
	}
	env.region = maps[rings].region;
	env.slots = maps[rings].slots;
	env.rings = rings;
	memset(env.region, 0, size);
}

static struct ivshmem_control *
control(void)
{
	return (struct ivshmem_control *)env.region;
}

static void
unmap_nothing(struct rte_eth_dev *dev __rte_unused)
{
}

static const struct ivshmem_probe of_fuzz = { .unmap = unmap_nothing };

static void
start_port(uint16_t nb_rxq, uint16_t nb_txq, bool scatter, bool fast_free)
{
	const struct rte_eth_txconf txconf = {
		.offloads = fast_free ? RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE : 0
	};
	const struct eth_dev_ops *ops;
	uint16_t n;

	env.dev.dev_ops->dev_infos_get(&env.dev, &env.info);
	ops = env.dev.dev_ops;
	env.data.nb_rx_queues = nb_rxq;
	env.data.nb_tx_queues = nb_txq;
	env.data.dev_conf.rxmode.offloads = scatter ? RTE_ETH_RX_OFFLOAD_SCATTER : 0;
	REQUIRE(ops->dev_configure(&env.dev) == 0);
	for (n = 0; n < nb_rxq; n++)
		REQUIRE(ops->rx_queue_setup(&env.dev, n, 0, 0, NULL, &mbufs.pool) == 0);
	for (n = 0; n < nb_txq; n++)
		REQUIRE(ops->tx_queue_setup(&env.dev, n, 0, 0, &txconf) == 0);
	REQUIRE(ops->dev_start(&env.dev) == 0);
}

static void
make_port(struct input *input)
{
	const uint32_t how = take(input, 1), queues = take(input, 1), room = take(input, 1);
	const unsigned int rings = 1 << (how >> 6) % 3;
	const bool scatter = how & 1, device = how & 2;
	static const uint16_t mtus[] = { RTE_ETHER_MIN_MTU, 234, 1500, 9216 };
	static const uint8_t rooms[] = { 1, 2, 3, 32 };
	const uint16_t mtu = mtus[room % RTE_DIM(mtus)];

	map_region(rings);
	/* Without scattered receive just what the MTU needs. */
	make_pool(scatter ? rooms[room / 4 % RTE_DIM(rooms)] : ivshmem_lines(mtu + 22));
	memset(&env.port, 0, sizeof(env.port));
	memset(&env.data, 0, sizeof(env.data));
	env.port.role = how & 4 ? IVSHMEM_CLIENT : IVSHMEM_SERVER;
	env.port.device = device;
	env.port.stores = how & 0x20 ? IVSHMEM_STORES_STREAMING : IVSHMEM_STORES_CACHED;
	env.port.region.name = "fuzz";
	env.port.region.control = (struct ivshmem_control *)env.region;
	env.port.region.size = ivshmem_region_size(rings, LINES);
	env.port.slots = device ? env.slots : env.region + IVSHMEM_CONTROL_SIZE;
	REQUIRE(ivshmem_region_create(&env.port.region, LINES, rings) == 0);
	env.data.dev_private = &env.port;
	env.data.rx_queues = env.queues[0];
	env.data.tx_queues = env.queues[1];
	env.data.mtu = mtu;
	env.dev.data = &env.data;
	REQUIRE(ivshmem_ethdev_init(&env.dev, &of_fuzz) == 0);
	env.burst = how & 8 ? &ivshmem_burst_avx2[device] : &ivshmem_burst_base[device];
	start_port(1 + queues % rings, 1 + queues / 4 % rings, scatter, how & 0x10);
}

static void
stop_port(void)
{
	unsigned int n;

	REQUIRE(env.dev.dev_ops->dev_stop(&env.dev) == 0);
	for (n = 0; n < IVSHMEM_MAX_RINGS; n++) {
		bad_packets += env.port.rxqs[n].count.bad_packets;
		oversized += env.port.rxqs[n].count.oversized;
		no_mbuf += env.port.rxqs[n].count.no_mbuf;
		bad_credits += env.port.txqs[n].count.bad_credits;
	}
	resyncs += env.port.link.count.resyncs;
	REQUIRE(ivshmem_ethdev_close(&env.dev) == 0);
	/* Not one was lost. */
	REQUIRE(outstanding == 0);
}

/* What the peer writes */

static struct ivshmem_rx_ring *
rx_ring(uint32_t choice)
{
	/* Before the first session there is none: this one points nowhere. */
	return &env.port.rx_rings[choice % env.rings];
}

static volatile uint32_t *
line_at(const struct ivshmem_rx_ring *ring, uint32_t pos)
{
	return (volatile uint32_t *)(ring->heads + (size_t)(pos & ring->mask) * IVSHMEM_LINE);
}

static uint32_t
header_at(const struct ivshmem_rx_ring *ring, uint32_t pos, uint32_t flags)
{
	return (pos >> ring->lap_shift) << IVSHMEM_HEADER_LAP_SHIFT | (flags & 0xffff);
}

/* A session that answers ours, as an honest peer does it. */
static void
answer(uint16_t rxq, uint16_t txq)
{
	struct ivshmem_side *own = &control()->sides[env.port.role];
	struct ivshmem_side *peer = &control()->sides[!env.port.role];

	peer->rx_queues = rxq;
	peer->tx_queues = txq;
	peer->heartbeat++;
	peer->session = own->session << 32 | (__wrap_rte_rand() & UINT32_MAX);
	ivshmem_link_poll(&env.dev);
	links_up += env.port.link.up;
}

/* Packets one after the other, from where the driver will look next. */
static void
put_packets(struct input *input)
{
	const struct ivshmem_rx_ring *ring = rx_ring(take(input, 1));
	uint32_t nb = take(input, 1), len = take(input, 2) & 0x7fff, pos = ring->pos, n;

	if (ring->heads == NULL)
		return;
	for (n = 0; n <= nb && pos - ring->pos <= ring->mask; n++) {
		*line_at(ring, pos) = header_at(ring, pos, n == 0 ? len | IVSHMEM_HEADER_FIRST : len);
		pos += ivshmem_lines(len & IVSHMEM_HEADER_LEN);
	}
}

static void
put_header(struct input *input, bool later)
{
	const struct ivshmem_rx_ring *ring = rx_ring(take(input, 1));
	const uint32_t pos = ring->pos + (int8_t)take(input, 1);
	const uint32_t header = header_at(ring, pos, take(input, 2));

	if (ring->heads == NULL)
		return;
	if (later) {
		surprise_at = line_at(ring, pos);
		surprise = header;
	} else {
		*line_at(ring, pos) = header;
	}
}

static void
put_word(struct input *input, uint32_t limit)
{
	const uint32_t where = take(input, 3) % (limit / sizeof(uint32_t));

	((volatile uint32_t *)env.region)[where] = take(input, 4);
}

static void
put_bytes(struct input *input)
{
	const uint32_t where = take(input, 3) % (ivshmem_region_size(env.rings, LINES) - UINT8_MAX);
	const size_t nb = RTE_MIN(take(input, 1), input->size);

	memcpy(env.region + where, input->data, nb);
	input->data += nb;
	input->size -= nb;
}

static void
put_credit(struct input *input)
{
	const uint32_t n = take(input, 1) % env.rings;

	control()->credits[env.port.role][n].consumed =
		env.port.tx_rings[n].pos + (int16_t)take(input, 2);
}

static void
put_produced(struct input *input)
{
	const uint32_t n = take(input, 1) % env.rings;

	control()->produced[!env.port.role].lines[n] =
		env.port.rx_rings[n].pos + (int16_t)take(input, 2);
}

/* Calls of the driver */

static void
check_received(const struct rte_mbuf *mbuf, const struct ivshmem_rxq *rxq)
{
	const uint8_t *byte;
	const struct rte_mbuf *seg;
	uint32_t len = 0, segs = 0, n, sum = 0;

	REQUIRE(mbuf->pkt_len >= IVSHMEM_MIN_FRAME && mbuf->pkt_len <= rxq->max_len);
	for (seg = mbuf; seg != NULL; seg = seg->next, segs++) {
		REQUIRE(rte_mbuf_refcnt_read(seg) == 1 && seg->data_len != 0);
		REQUIRE(seg->data_off + seg->data_len <= seg->buf_len);
		byte = rte_pktmbuf_mtod(seg, const uint8_t *);
		for (n = 0; n < seg->data_len; n += 16)
			sum += byte[n];
		len += seg->data_len;
	}
	REQUIRE(len == mbuf->pkt_len && segs == mbuf->nb_segs);
	/* The bytes are used. */
	rte_compiler_barrier();
	*(volatile uint32_t *)&sum = 0;
}

static void
receive(struct input *input)
{
	struct rte_mbuf *pkts[MAX_BURST];
	const uint32_t what = take(input, 1);
	struct ivshmem_rxq *rxq = &env.port.rxqs[what / MAX_BURST % env.port.nb_rxq];
	const uint16_t asked = 1 + what % MAX_BURST;
	uint16_t nb, n;

	nb = env.burst->rx(rxq, pkts, asked);
	REQUIRE(nb <= asked && (rxq->gate.owner & IVSHMEM_GATE_BUSY) == 0);
	for (n = 0; n < nb; n++) {
		check_received(pkts[n], rxq);
		rte_pktmbuf_free(pkts[n]);
	}
	received += nb;
}

static struct rte_mbuf *
make_frame(uint32_t len, uint32_t segs, uint8_t byte)
{
	const uint32_t room = mbufs.private.mbuf_data_room_size;
	struct rte_mbuf *head = NULL, *last = NULL, *mbuf;
	uint32_t part, off;

	do {
		if (pool_dequeue(NULL, (void **)&mbuf, 1) != 0)
			break;
		off = byte % 3 == 0 ? 0 : RTE_PKTMBUF_HEADROOM;
		part = RTE_MIN(segs == 0 ? len : 1 + len / (segs + 1), room - off);
		mbuf->data_off = off;
		mbuf->data_len = RTE_MIN(part, len);
		memset(rte_pktmbuf_mtod(mbuf, uint8_t *), byte, mbuf->data_len);
		if (mbuf->data_len > 14)
			memcpy(rte_pktmbuf_mtod_offset(mbuf, uint8_t *, 12),
				byte & 1 ? "\x08\x00\x45" : "\x86\xdd\x60", 3);
		len -= mbuf->data_len;
		if (head == NULL) {
			head = mbuf;
		} else {
			last->next = mbuf;
			head->nb_segs++;
		}
		head->pkt_len += mbuf->data_len;
		last = mbuf;
	} while (len != 0);
	return head;
}

static void
transmit(struct input *input)
{
	struct rte_mbuf *pkts[MAX_BURST];
	const uint32_t what = take(input, 1), len = take(input, 2) % MAX_BYTES, how = take(input, 1);
	struct ivshmem_txq *txq = &env.port.txqs[what / MAX_BURST % env.port.nb_txq];
	uint16_t made, nb, n;

	for (made = 0; made <= what % MAX_BURST && made * len < MAX_BYTES; made++) {
		pkts[made] = make_frame(len, how % 4, how + made);
		if (pkts[made] == NULL)
			break;
		/* As an application that has asked for fast free promises */
		if (pkts[made]->nb_segs > 1)
			txq->fast_free = false;
	}
	nb = env.burst->tx(txq, pkts, made);
	REQUIRE(nb <= made && (txq->gate.owner & IVSHMEM_GATE_BUSY) == 0);
	for (n = nb; n < made; n++)
		rte_pktmbuf_free(pkts[n]);
	sent += nb;
}

/* A port that comes later and finds this geometry, with any arguments and any size of its memory */
static void
open_region(struct input *input)
{
	const uint32_t how = take(input, 1);
	struct ivshmem_region region = {
		.name = "fuzz",
		.control = control(),
		.size = how & 2 ? ivshmem_region_size(env.rings, LINES) : take(input, 4),
	};
	uint64_t mapped = ivshmem_region_size(env.rings, LINES);
	int ret;

	region.size = RTE_MIN(region.size, mapped);
	if (how & 1)
		ret = ivshmem_region_open(&region);
	else
		ret = ivshmem_region_create(&region, how & 4 ? LINES << (how >> 6) : 0,
			how & 8 ? 1 + (how >> 4) % 4 : 0);
	if (ret == 0) {
		REQUIRE(region.ring_lines >= IVSHMEM_MIN_RING_LINES &&
			rte_is_power_of_2(region.ring_lines));
		REQUIRE(region.rings >= 1 && region.rings <= IVSHMEM_MAX_RINGS);
		REQUIRE(ivshmem_region_size(region.rings, region.ring_lines) <= region.size);
	}
}

/* As after a long time: positions and laps wrap soon. */
static void
move_on(struct input *input)
{
	const uint32_t back = take(input, 2);
	unsigned int n;

	for (n = 0; n < env.rings; n++) {
		struct ivshmem_rx_ring *rx = &env.port.rx_rings[n];
		struct ivshmem_tx_ring *tx = &env.port.tx_rings[n];

		rx->pos = rx->published = 0 - back;
		tx->pos = 0 - back;
		tx->limit = tx->pos + tx->mask;
		tx->inner = tx->pos - 1;
	}
}

static void
step(struct input *input)
{
	switch (take(input, 1) % 20) {
	case 0: case 1: case 2:
		put_packets(input);
		break;
	case 3:
		put_header(input, false);
		break;
	case 4:
		put_header(input, true);
		break;
	case 5:
		put_word(input, sizeof(struct ivshmem_control));
		break;
	case 6:
		put_word(input, ivshmem_region_size(env.rings, LINES));
		break;
	case 7:
		put_bytes(input);
		break;
	case 8:
		put_credit(input);
		break;
	case 9:
		put_produced(input);
		break;
	case 10: case 11: case 12:
		receive(input);
		break;
	case 13: case 14:
		transmit(input);
		break;
	case 15:
		answer(take(input, 1) % 6, take(input, 1) % 6);
		break;
	case 16:
		control()->sides[!env.port.role].heartbeat++;
		ivshmem_link_poll(&env.dev);
		break;
	case 17:
		open_region(input);
		break;
	case 18:
		mbuf_limit = RTE_MIN(outstanding + take(input, 1), (uint32_t)MAX_STOCK);
		break;
	case 19:
		move_on(input);
		break;
	}
}

/* Whatever was before: a peer that behaves gets a frame through. */
static void
recover(void)
{
	const struct ivshmem_rx_ring *ring = &env.port.rx_rings[0];
	struct rte_mbuf *mbuf;

	mbuf_limit = MAX_STOCK;
	surprise_at = NULL;
	/* Nothing else writes the line of this side; one that was written over needs a start. */
	ivshmem_link_stop(&env.dev);
	ivshmem_link_start(&env.dev);
	answer(env.port.nb_txq, env.port.nb_rxq);
	REQUIRE(env.port.link.up);
	*line_at(ring, 0) = header_at(ring, 0, IVSHMEM_MIN_FRAME | IVSHMEM_HEADER_FIRST);
	REQUIRE(env.burst->rx(&env.port.rxqs[0], &mbuf, 1) == 1);
	rte_pktmbuf_free(mbuf);
	mbuf = make_frame(100, 0, 1);
	REQUIRE(env.burst->tx(&env.port.txqs[0], &mbuf, 1) == 1);
}

static void
summary(void)
{
	printf("fuzz-ivshmem: executions %" PRIu64 " received %" PRIu64 " sent %" PRIu64
		" bad_packets %" PRIu64 " oversized %" PRIu64 " bad_credits %" PRIu64 " no_mbuf %"
		PRIu64 " resyncs %" PRIu64 " links_up %" PRIu64 "\n", executions, received, sent,
		bad_packets, oversized, bad_credits, no_mbuf, resyncs, links_up);
}

int
LLVMFuzzerInitialize(int *argc __rte_unused, char ***argv __rte_unused)
{
	int ops = rte_mempool_register_ops(&pool_ops);

	REQUIRE(ops >= 0);
	mbufs.pool.ops_index = ops;
	mbufs.pool.flags = RTE_MEMPOOL_F_POOL_CREATED;
	rte_log_set_global_level(0);
	eal_timer_source = EAL_TIMER_TSC;
	env.fd = memfd_create("fuzz-ivshmem", 0);
	REQUIRE(env.fd >= 0 && ftruncate(env.fd, MAX_REGION) == 0);
	atexit(summary);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { .data = data, .size = size };
	unsigned int n;

	executions++;
	random_state = 0;
	surprise_at = NULL;
	make_port(&input);
	answer(env.port.nb_txq, env.port.nb_rxq);
	for (n = 0; n < MAX_STEPS && input.size != 0; n++)
		step(&input);
	recover();
	stop_port();
	return 0;
}
