/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_MODEL_H
#define WC_MODEL_H

/**
 * @file
 * Model of the PCIe accesses that result from a CPU's loads and stores to a device's memory,
 * uncached (UC) or write-combining (WC). doc/wcscope.rst describes what the model covers and omits,
 * and the sources of its rules.
 *
 * Not thread safe: one caller at a time.
 */

#include <stdbool.h>
#include <stdint.h>

/** Limits of the parameters: bytes of a line, buffers of a CPU. */
#define WC_MAX_LINE 128
#define WC_MAX_BUFFERS 64
#define WC_MAX_CPUS 64

enum wc_type {
	WC_TYPE_UC,	/**< UC and UC-: both uncached (Intel SDM vol. 3A, table 12-7). */
	WC_TYPE_WC,
};

/** The buffer to evict when a store needs one and all are in use. */
enum wc_victim {
	WC_VICTIM_OLDEST,	/**< The one opened first. */
	WC_VICTIM_LEAST_USED,	/**< The one stored to least recently. */
};

/** Reasons for draining buffers; also the index of counters. */
enum wc_cause {
	WC_CAUSE_FULL,		/**< The line is complete. */
	WC_CAUSE_VICTIM,	/**< Another line needs the buffer. */
	WC_CAUSE_EARLY,		/**< By chance: see wc_params.evict. */
	WC_CAUSE_FENCE,		/**< SFENCE, MFENCE. */
	WC_CAUSE_LOCKED,	/**< LOCK prefix, XCHG with memory. */
	WC_CAUSE_SERIALISING,	/**< CPUID, I/O instructions and others. */
	WC_CAUSE_UC,		/**< Uncached load or store of the device's memory. */
	WC_CAUSE_KERNEL,	/**< Interrupt, exception or system call. */
	WC_CAUSE_LOAD,		/**< Load of data in the buffer. */
	WC_CAUSE_DIRECT,	/**< Direct store to the line that is in the buffer. */
	WC_CAUSE_END,		/**< The measurement ends. */
	WC_NB_CAUSES,
};

struct wc_params {
	uint32_t line;		/**< Bytes of a buffer: 32, 64 or WC_MAX_LINE. */
	uint32_t buffers;	/**< Per CPU, 1 to WC_MAX_BUFFERS. */
	enum wc_victim victim;
	bool send_full;		/**< A complete line is sent at once. */
	/**
	 * In how many of 1000 stores the line leaves right after it, though it is not complete and nothing
	 * asks for it: CPUs may do so at any time. The same stores have the same chances each time.
	 */
	uint32_t evict;
	/**
	 * How a line with holes is sent: in aligned chunks of this many bytes, 4 or 8, the latter
	 * as described by the Intel SDM; or, if 0, as one write per run of bytes without a hole.
	 */
	uint32_t chunk;
	uint32_t uc_width;	/**< Widest uncached access that is one write or read: 8 to line. */
	uint32_t stream_buffers;	/**< Lines that streaming loads buffer, 0 for none. */
	uint32_t header;	/**< Bytes of a memory TLP's header: 12, or 16 above 4 GiB. */
	uint32_t generation;	/**< PCIe 1 to 5; 6 has flits, which are not modelled. */
	uint32_t width;		/**< Lanes: 1, 2, 4, 8, 12, 16 or 32. */
};

/** Counters, under their names in the report. */
#define WC_COUNTERS(COUNTER) \
	COUNTER(stores)		/**< Store instructions. */ \
	COUNTER(store_bytes) \
	COUNTER(loads)		/**< Load instructions. */ \
	COUNTER(load_bytes) \
	COUNTER(writes)		/**< Posted writes (MWr TLPs). */ \
	COUNTER(write_bytes)	/**< Enabled bytes in them. */ \
	COUNTER(wire_bytes)	/**< Their size on the link. */ \
	COUNTER(reads)		/**< Read requests (MRd TLPs): the CPU waits for each. */ \
	COUNTER(read_bytes)	/**< Bytes in their completions. */ \
	COUNTER(read_wire_down)	/**< Size of the requests on the link to the device. */ \
	COUNTER(read_wire_up)	/**< Size of the completions on the link to the CPU. */ \
	COUNTER(full_lines)	/**< Lines sent in one write. */ \
	COUNTER(partial_lines)	/**< Lines sent in any other way. */

/** Traffic of one instruction, or total. */
struct wc_counts {
#define WC_MEMBER(name) uint64_t name;
	WC_COUNTERS(WC_MEMBER)
#undef WC_MEMBER
};

/** Totals. store_bytes = write_bytes + collapsed + bytes still in buffers. */
struct wc_totals {
	struct wc_counts counts;
	uint64_t collapsed;	/**< Bytes overwritten before they were sent. */
	uint64_t direct;	/**< Direct stores. */
	uint64_t fences;	/**< Fences with write-combining or direct stores since the last one. */
	uint64_t sent[WC_NB_CAUSES];	/**< Lines sent, by cause. */
	uint64_t sizes[WC_MAX_LINE + 1];	/**< Posted writes by enabled bytes. */
};

struct wc_model;

/**
 * Documented sets of parameters.
 *
 * @param name
 *   Such as "intel"; see wc_preset_name() for the list.
 * @return
 *   0, or -ENOENT.
 */
int wc_preset(const char *name, struct wc_params *params);

/** Name of the n-th set, NULL after the last. */
const char *wc_preset_name(unsigned int n);

/**
 * Set one parameter by the name of its member; victim takes "oldest" or "least-used", send_full
 * "yes" or "no". wc_params_valid() checks whether the parameters are consistent.
 *
 * @return
 *   0, -ENOENT for an unknown name, -EINVAL for a bad value.
 */
int wc_params_set(struct wc_params *params, const char *name, const char *value);

bool wc_params_valid(const struct wc_params *params);

/**
 * Bytes per second in one direction of the link, after line coding (PCIe base specification, section
 * 4.2). Traffic of the data link layer and the physical layer is not subtracted: replies to the
 * other direction's traffic, SKP ordered sets.
 */
double wc_link_rate(const struct wc_params *params);

/** @return The model, or NULL if memory is short or the parameters are not valid. */
struct wc_model *wc_model_create(const struct wc_params *params);

void wc_model_free(struct wc_model *model);

/**
 * A store instruction, of any address and size.
 *
 * @param counts
 *   Additional counters for the resulting traffic; may be NULL. Must stay valid until the line has
 *   been sent: a line is counted for the instruction of its first store.
 */
void wc_model_store(struct wc_model *model, unsigned int cpu, enum wc_type type, uint64_t address,
		uint32_t size, struct wc_counts *counts);

/**
 * A direct store, aligned: a separate write, regardless of the memory type (Intel SDM vol. 2,
 * MOVDIRI and MOVDIR64B). Combining with older stores is not modelled: they are sent before it.
 */
void wc_model_direct(struct wc_model *model, unsigned int cpu, uint64_t address, uint32_t size,
		struct wc_counts *counts);

/** A load instruction; streaming: MOVNTDQA. */
void wc_model_load(struct wc_model *model, unsigned int cpu, enum wc_type type, uint64_t address,
		uint32_t size, bool streaming, struct wc_counts *counts);

/** Drain the store buffers of a CPU. */
void wc_model_flush(struct wc_model *model, unsigned int cpu, enum wc_cause cause);

/** Discard the lines of streaming loads: after an MFENCE, or anything that orders like it. */
void wc_model_forget(struct wc_model *model, unsigned int cpu);

/** Whether a CPU has any data in its buffers. */
bool wc_model_dirty(const struct wc_model *model, unsigned int cpu);

const struct wc_totals *wc_model_totals(const struct wc_model *model);

const char *wc_cause_name(enum wc_cause cause);

#endif /* WC_MODEL_H */
