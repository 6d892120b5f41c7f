/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CORE_IOEVENTFD_H
#define CORE_IOEVENTFD_H

#include <linux/kvm.h>
#include "core/types.h"

struct vm;
struct eventfd_ctx;

struct ioeventfd {
	struct list_head list;
	struct eventfd_ctx *eventfd;
	gpa_t addr;
	u32 len;
	bool wildcard;		/* any value */
	bool pio;
	u64 datamatch;
};

/** ioeventfd_wants() - is it @val that rings it? */
static inline bool ioeventfd_wants(const struct ioeventfd *e, u64 val)
{
	return e->wildcard || val == e->datamatch;
}
/**
 * ioeventfd_matches() - does a write of @len bytes @val at an address of its range ring this bell?
 * Any context, RCU.
 */
bool ioeventfd_matches(const struct ioeventfd *e, gpa_t addr, u32 len, u64 val);
/** ioeventfd_ring() - signal it. Any context, RCU. */
void ioeventfd_ring(struct ioeventfd *e);
/**
 * ioeventfd_assign(), ioeventfd_deassign() - KVM_IOEVENTFD, argument copied in. Sleeps. Errors:
 * api.rst 4.59.
 */
int ioeventfd_assign(struct vm *vm, const struct kvm_ioeventfd *args);
int ioeventfd_deassign(struct vm *vm, const struct kvm_ioeventfd *args);
void ioeventfd_destroy_all(struct vm *vm);

/* Coalesced MMIO (api.rst 4.116): zones, and the ring page shared with the VMM. */
int coalesced_register(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone);
int coalesced_unregister(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone);
/**
 * coalesced_write() - put a write into the ring. false: ring full, the VMM must be asked. Process
 * context, RCU.
 */
bool coalesced_write(struct vm *vm, void *zone, gpa_t addr, u32 len, const void *val);
void coalesced_destroy(struct vm *vm);

#endif
