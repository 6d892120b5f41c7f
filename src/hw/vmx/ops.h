/* SPDX-License-Identifier: GPL-2.0-only */
/* Instructions of VMX outside enter.S. Apart, so that the unit test can have its own. */
#ifndef HW_VMX_OPS_H
#define HW_VMX_OPS_H

#include <linux/printk.h>
#include <asm/asm.h>
#include "core/types.h"

/*
 * At reboot VMX goes off while a vCPU's thread may be anywhere: its next VMX instruction is #UD
 * then. It counts as a failed one, and the failed entry that follows ends KVM_RUN.
 */
#define VMX_INSN(insn)	"1:\t" insn "\n\tjbe %l[failed]\n\t" _ASM_EXTABLE(1b, %l[failed])

/**
 * vmcs_error() - a VMREAD or VMWRITE failed: VMX is off, or a bug of ours. Says which one, once.
 */
void vmcs_error(u32 field, bool write);

static __always_inline u64 vmcs_read_any(u32 field)
{
	u64 val;

	asm_goto_output(VMX_INSN("vmread %[field], %[val]")
			: [val] "=r"(val)
			: [field] "r"((u64)field)
			: "cc"
			: failed);
	return val;
failed:
	vmcs_error(field, false);
	return 0;
}

static __always_inline void vmcs_write_any(u32 field, u64 val)
{
	asm_goto_output(VMX_INSN("vmwrite %[val], %[field]")
			:
			: [val] "rm"(val), [field] "r"((u64)field)
			: "cc", "memory"
			: failed);
	return;
failed:
	vmcs_error(field, true);
}

/** vmx_is_on() - on this CPU. Where it is off a failing VMX instruction is nobody's fault. */
bool vmx_is_on(void);

/** vmclear() - the VMCS at @pa goes from the CPU to memory, and is not launched. */
static inline void vmclear(hpa_t pa)
{
	asm goto(VMX_INSN("vmclear %[pa]") : : [pa] "m" (pa) : "cc", "memory" : failed);
	return;
failed:
	WARN_ONCE(vmx_is_on(), "kvm-intel: VMCLEAR failed\n");
}

/** vmptrld() - the VMCS at @pa is what VMREAD, VMWRITE and entry mean from now on. */
static inline void vmptrld(hpa_t pa)
{
	asm goto(VMX_INSN("vmptrld %[pa]") : : [pa] "m" (pa) : "cc", "memory" : failed);
	return;
failed:
	WARN_ONCE(vmx_is_on(), "kvm-intel: VMPTRLD failed\n");
}

/** vmxon() - 0 or -EIO. */
static inline int vmxon(hpa_t region)
{
	asm goto(VMX_INSN("vmxon %[region]") : : [region] "m" (region) : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

/** vmxoff() - where VMX is off already (a crash found it so) it does nothing. */
static inline void vmxoff(void)
{
	asm volatile("1:\tvmxoff\n2:\t" _ASM_EXTABLE(1b, 2b) : : : "cc", "memory");
}

/* SDM 3C, 31.3: INVEPT, INVVPID. */
static inline void invept(u64 extent, u64 eptp)
{
	struct { u64 eptp, reserved; } desc = { .eptp = eptp };

	asm goto(VMX_INSN("invept %[desc], %[extent]") : : [desc] "m" (desc), [extent] "r" (extent) : "cc", "memory" : failed);
	return;
failed:
	WARN_ONCE(vmx_is_on(), "kvm-intel: INVEPT failed\n");
}

static inline void invvpid(u64 extent, u16 vpid, u64 gva)
{
	struct { u64 vpid, gva; } desc = { .vpid = vpid, .gva = gva };

	asm goto(VMX_INSN("invvpid %[desc], %[extent]") : : [desc] "m" (desc), [extent] "r" (extent) : "cc", "memory" : failed);
	return;
failed:
	WARN_ONCE(vmx_is_on(), "kvm-intel: INVVPID failed\n");
}

/** vmx_host_nmi() - the host's NMI handler, through the host's own gate. */
static inline void vmx_host_nmi(void)
{
	asm volatile("int $2" : : : "memory");
}

#endif
