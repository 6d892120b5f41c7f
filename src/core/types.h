/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kinds of address that a hypervisor must never mix up.
 *
 *	GVA     guest virtual           GPA     guest physical          GFN     guest frame (GPA >>
 *	12)
 *	HVA     host virtual (VMM)      HPA     host physical           PFN     host frame (HPA >>
 *	12)
 */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include <linux/types.h>

typedef unsigned long gva_t;
typedef u64 gpa_t;
typedef u64 gfn_t;
typedef unsigned long hva_t;
typedef u64 hpa_t;
typedef u64 hfn_t;
typedef hfn_t kvm_pfn_t;

#define INVALID_GPA	(~(gpa_t)0)

static inline gfn_t gpa_to_gfn(gpa_t gpa)
{
	return gpa >> 12;
}

static inline gpa_t gfn_to_gpa(gfn_t gfn)
{
	return gfn << 12;
}

#endif
