/* SPDX-License-Identifier: GPL-2.0-only */
/* Where things are in the guest's memory, for C and for guest.S. */
#ifndef TESTS_API_LIB_GUEST_H
#define TESTS_API_LIB_GUEST_H

#define GUEST_CODE	0x10000		/* the section .guest; 64 KB */
#define GUEST_PML4	0x20000
#define GUEST_PDPT	0x21000
#define GUEST_PD	0x22000		/* four of them: 4 GB in 2 MB pages */
#define GUEST_GDT	0x26000
#define GUEST_IDT	0x27000
#define GUEST_TSS	0x28000		/* 0x100 for each vCPU */
#define GUEST_PT	0x29000		/* page tables that map_4k() takes, up to GUEST_STACK */
#define GUEST_STACK	0x30000		/* 4 KB for each vCPU, growing down from its end */
#define GUEST_COUNTS	0x38000		/* per vCPU, GS base: 256 counters of 32 bits, by vector */
#define GUEST_SHARED	0x3d000
#define GUEST_LOG	0x3e000		/* 128 entries of struct guest_event */
#define GUEST_FREE	0x40000		/* from here on memory is the test's */
#define GUEST_LOG_MAX	128

#define SEL_CODE64	0x08
#define SEL_DATA	0x10
#define SEL_TSS		0x18
#define SEL_UCODE64	0x2b
#define SEL_UDATA	0x33
#define SEL_CODE32	0x38
#define SEL_CODE16	0x40

#define PORT_DONE	0xf4		/* any write: the guest is through */
#define PORT_EXCEPTION	0xf5		/* the handlers of guest.S: nobody expected this exception */
#define PORT_REPORT	0xf8		/* 32 bits: a value to show */

#define EOI_LAPIC	1
#define EOI_PIC		2
#define EOI_X2APIC	4

#ifndef __ASSEMBLER__
#include <stdint.h>

struct guest_event {
	uint64_t vector, error, rip, cr2;
};

/* Between the handlers of guest.S and the test. */
struct guest_shared {
	uint32_t nlog;			/* entries in the log */
	uint32_t eoi;			/* EOI_*: what a handler of a vector from 32 up does */
	uint64_t resume;		/* where an exception goes on; 0: it is unexpected */
	uint32_t tcg;			/* the host is QEMU's TCG, with faults that the handlers make good */
};
#endif
#endif
