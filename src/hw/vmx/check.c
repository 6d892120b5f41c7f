// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why did the processor refuse an entry? It says "invalid guest state", "invalid control field" or
 * "invalid host-state field" and no more; here are the rules of SDM 3C, 27.2.1, 27.2.2 and 27.3.1,
 * in the manual's order, applied to what the VMCS holds: those that a processor with unrestricted
 * guest has, for what this backend uses. Only for the log; nothing depends on it.
 */
#include <asm/msr.h>
#include "hw/hw.h"

struct check {
	struct hw_vcpu *hw;
	u64 cr0, cr4, efer, rflags;
	u32 pin, proc, proc2;
	u32 intr_info;
	bool long_mode;		/* the "IA-32e mode guest" control */
	bool vm86;
	int broken;		/* rules */
};

static void check_say(struct check *c, const char *rule)
{
	c->broken++;
	pr_info("kvm-intel: broken rule: %s\n", rule);
}

#define RULE(c, rule, text)	do { if (!(rule)) check_say(c, text); } while (0)

static bool vmx_canonical(u64 addr)
{
	int bits = boot_cpu_has(X86_FEATURE_LA57) ? 57 : 48;

	return (u64)((s64)(addr << (64 - bits)) >> (64 - bits)) == addr;
}

static bool beyond_physical(u64 addr)
{
	return addr >> boot_cpu_data.x86_phys_bits;
}

/* ------------------------------------------------------------------ controls (27.2.1) */

static bool control_allowed(u32 msr, u32 val)
{
	u64 cap;

	rdmsrl(msr, cap);
	return !((u32)cap & ~val) && !(val & ~(u32)(cap >> 32));
}

static bool page_ok(u64 pa)
{
	return !(pa & ~PAGE_MASK) && !beyond_physical(pa);
}

/*
 * Write-back or uncached, 4 or 5 levels, and nothing else but the flag for accessed and dirty bits.
 */
static bool eptp_ok(u64 eptp)
{
	u64 type = eptp & 7, levels = (eptp >> 3) & 7;

	return (type == 0 || type == 6) && (levels == 3 || levels == 4) && !(eptp & 0xf80) &&
	       !beyond_physical(eptp) && (!(eptp & VMX_EPTP_AD_ENABLE_BIT) || hw_caps.tdp_ad);
}

static void check_allowed(struct check *c)
{
	RULE(c, control_allowed(MSR_IA32_VMX_TRUE_PINBASED_CTLS, c->pin),
	     "pin-based controls as the CPU allows");
	RULE(c, control_allowed(MSR_IA32_VMX_TRUE_PROCBASED_CTLS, c->proc),
	     "processor-based controls as the CPU allows");
	RULE(c, control_allowed(MSR_IA32_VMX_PROCBASED_CTLS2, c->proc2),
	     "secondary controls as the CPU allows");
	RULE(c, control_allowed(MSR_IA32_VMX_TRUE_EXIT_CTLS, vmcs_read32(VM_EXIT_CONTROLS)),
	     "VM-exit controls as the CPU allows");
	RULE(c, control_allowed(MSR_IA32_VMX_TRUE_ENTRY_CTLS, vmcs_read32(VM_ENTRY_CONTROLS)),
	     "VM-entry controls as the CPU allows");
}

static void check_controls(struct check *c)
{
	check_allowed(c);
	RULE(c, !(c->proc & CPU_BASED_USE_MSR_BITMAPS) || page_ok(vmcs_read64(MSR_BITMAP)),
	     "the MSR bitmap is a page of physical memory");
	RULE(c, !(c->proc & CPU_BASED_TPR_SHADOW) || page_ok(vmcs_read64(VIRTUAL_APIC_PAGE_ADDR)),
	     "the virtual-APIC page is a page of physical memory");
	RULE(c,
	     (c->proc2 &
	      (SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)) ||
		     vmcs_read32(TPR_THRESHOLD) <= hw_tpr(c->hw),
	     "TPR threshold not above the TPR");
	RULE(c, (c->pin & PIN_BASED_NMI_EXITING) || !(c->pin & PIN_BASED_VIRTUAL_NMIS),
	     "virtual NMIs only with NMI exiting");
	RULE(c, (c->pin & PIN_BASED_VIRTUAL_NMIS) || !(c->proc & CPU_BASED_NMI_WINDOW_EXITING),
	     "an NMI window only with virtual NMIs");
	RULE(c, !(c->proc2 & SECONDARY_EXEC_ENABLE_VPID) || vmcs_read16(VIRTUAL_PROCESSOR_ID),
	     "a VPID that is not 0");
	RULE(c, eptp_ok(vmcs_read64(EPT_POINTER)),
	     "EPT pointer: memory type, levels, within physical memory");
	RULE(c, !(c->proc2 & SECONDARY_EXEC_ENABLE_PML) || page_ok(vmcs_read64(PML_ADDRESS)),
	     "the dirty log is a page of physical memory");
}

/* Exceptions that push an error code (SDM 3A, 6.3.1). */
static bool pushes_error(u8 vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static void check_injection(struct check *c)
{
	u32 info = c->intr_info, type = info & INTR_INFO_INTR_TYPE_MASK;
	u8 vector = info & INTR_INFO_VECTOR_MASK;
	bool soft = type == INTR_TYPE_SOFT_INTR || type == INTR_TYPE_SOFT_EXCEPTION ||
		    type == INTR_TYPE_PRIV_SW_EXCEPTION;

	if (!(info & INTR_INFO_VALID_MASK))
		return;
	RULE(c, type != 1 << 8, "a known type of event");
	RULE(c, type != INTR_TYPE_NMI_INTR || vector == 2, "an injected NMI has vector 2");
	RULE(c, type != INTR_TYPE_HARD_EXCEPTION || vector < 32,
	     "an injected exception's vector is below 32");
	RULE(c, !(info & INTR_INFO_DELIVER_CODE_MASK) == !(type == INTR_TYPE_HARD_EXCEPTION &&
	     pushes_error(vector) && (c->cr0 & X86_CR0_PE)),
	     "an error code with the exceptions that push one, outside real mode");
	RULE(c,
	     !(info & 0x7ffff000) && (!(info & INTR_INFO_DELIVER_CODE_MASK) ||
				      !(vmcs_read32(VM_ENTRY_EXCEPTION_ERROR_CODE) >> 16)),
	     "no reserved bit in an injected event");
	RULE(c, !soft || vmcs_read32(VM_ENTRY_INSTRUCTION_LEN) - 1 < 15,
	     "a software event has an instruction of 1 to 15 bytes");
}

/* ------------------------------------------------------------------ the host (27.2.2) */

static bool fixed_ok(u64 val, u64 fixed0, u64 fixed1)
{
	return !(fixed0 & ~val) && !(val & ~fixed1);
}

static void check_host(struct check *c)
{
	RULE(c,
	     fixed_ok(vmcs_readn(HOST_CR0), vmx_config.fixed.cr0_fixed0,
		      vmx_config.fixed.cr0_fixed1),
	     "the host's CR0 as the CPU's fixed bits say");
	RULE(c,
	     fixed_ok(vmcs_readn(HOST_CR4), vmx_config.fixed.cr4_fixed0,
		      vmx_config.fixed.cr4_fixed1),
	     "the host's CR4 as the CPU's fixed bits say");
	RULE(c,
	     !((vmcs_read16(HOST_CS_SELECTOR) | vmcs_read16(HOST_SS_SELECTOR) |
		vmcs_read16(HOST_DS_SELECTOR) | vmcs_read16(HOST_ES_SELECTOR) |
		vmcs_read16(HOST_FS_SELECTOR) | vmcs_read16(HOST_GS_SELECTOR) |
		vmcs_read16(HOST_TR_SELECTOR)) &
	       7),
	     "the host's selectors without RPL and TI");
	RULE(c, vmcs_read16(HOST_CS_SELECTOR) && vmcs_read16(HOST_TR_SELECTOR),
	     "the host's CS and TR not null");
	RULE(c,
	     vmx_canonical(vmcs_readn(HOST_FS_BASE)) && vmx_canonical(vmcs_readn(HOST_GS_BASE)) &&
		     vmx_canonical(vmcs_readn(HOST_TR_BASE)) &&
		     vmx_canonical(vmcs_readn(HOST_GDTR_BASE)) &&
		     vmx_canonical(vmcs_readn(HOST_IDTR_BASE)) &&
		     vmx_canonical(vmcs_readn(HOST_RIP)),
	     "the host's bases and RIP canonical");
}

/* ------------------ registers (27.3.1.1, 27.3.1.3, 27.3.1.4) */

static bool pat_ok(u64 pat)
{
	int i;

	/* UC, WC, WT, WP, WB, UC- */
	for (i = 0; i < 64; i += 8)
		if (((pat >> i) & 0xff) > 7 || !(0xf3 & BIT((pat >> i) & 7)))
			return false;
	return true;
}

static void check_control_registers(struct check *c)
{
	u64 fixed0 = vmx_config.fixed.cr0_fixed0 & ~(u64)(X86_CR0_PE | X86_CR0_PG);

	RULE(c, fixed_ok(c->cr0, fixed0, vmx_config.fixed.cr0_fixed1),
	     "CR0 as the CPU's fixed bits say");
	RULE(c, !(c->cr0 & X86_CR0_PG) || (c->cr0 & X86_CR0_PE), "CR0.PG only with CR0.PE");
	RULE(c, fixed_ok(c->cr4, vmx_config.fixed.cr4_fixed0, vmx_config.fixed.cr4_fixed1),
	     "CR4 as the CPU's fixed bits say");
	RULE(c, !c->long_mode || ((c->cr0 & X86_CR0_PG) && (c->cr4 & X86_CR4_PAE)),
	     "long mode only with CR0.PG and CR4.PAE");
	RULE(c, c->long_mode || !(c->cr4 & X86_CR4_PCIDE), "CR4.PCIDE in long mode only");
	RULE(c, !beyond_physical(vmcs_readn(GUEST_CR3)), "CR3 within physical memory");
	RULE(c, !(vmcs_readn(GUEST_DR7) >> 32), "DR7[63:32] clear");
	RULE(c, !(vmcs_read64(GUEST_IA32_DEBUGCTL) & ~0xffc3ull), "no reserved bit in DEBUGCTL");
	RULE(c, pat_ok(vmcs_read64(GUEST_IA32_PAT)), "memory types that PAT can have");
	RULE(c, !(c->efer & ~(u64)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX)),
	     "no reserved bit in EFER");
	RULE(c, !(c->efer & EFER_LMA) == !c->long_mode, "EFER.LMA as the IA-32e mode control");
	RULE(c, !(c->cr0 & X86_CR0_PG) || !(c->efer & EFER_LMA) == !(c->efer & EFER_LME),
	     "EFER.LMA as EFER.LME, with paging");
	RULE(c,
	     vmx_canonical(vmcs_readn(GUEST_SYSENTER_ESP)) &&
		     vmx_canonical(vmcs_readn(GUEST_SYSENTER_EIP)),
	     "SYSENTER_ESP and SYSENTER_EIP canonical");
}

static void check_tables(struct check *c)
{
	RULE(c,
	     vmx_canonical(vmcs_readn(GUEST_GDTR_BASE)) &&
		     vmx_canonical(vmcs_readn(GUEST_IDTR_BASE)),
	     "bases of GDTR and IDTR canonical");
	RULE(c, !((vmcs_read32(GUEST_GDTR_LIMIT) | vmcs_read32(GUEST_IDTR_LIMIT)) >> 16),
	     "limits of GDTR and IDTR below 64 KiB");
}

static void check_rip_rflags(struct check *c)
{
	u64 rip = vmcs_readn(GUEST_RIP);
	bool code64 = c->long_mode && (vmcs_read32(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK);

	RULE(c, code64 || !(rip >> 32), "RIP below 4 GiB outside 64-bit code");
	RULE(c, !code64 || vmx_canonical(rip), "RIP canonical");
	RULE(c, (c->rflags & X86_EFLAGS_FIXED) && !(c->rflags & ~0x3f7fd7ull),
	     "no reserved bit in RFLAGS");
	RULE(c, !c->vm86 || (!c->long_mode && (c->cr0 & X86_CR0_PE)),
	     "RFLAGS.VM in legacy protected mode only");
	RULE(c,
	     (c->rflags & X86_EFLAGS_IF) ||
		     (c->intr_info & (INTR_INFO_VALID_MASK | INTR_INFO_INTR_TYPE_MASK)) !=
			     (INTR_INFO_VALID_MASK | INTR_TYPE_EXT_INTR),
	     "RFLAGS.IF with an injected external interrupt");
}

/* ------------------------------------------------------------------ segments (27.3.1.2) */

static u32 seg_ar(enum seg seg)
{
	return vmcs_read_any(seg_fields[seg].ar);
}

static u16 seg_sel(enum seg seg)
{
	return vmcs_read_any(seg_fields[seg].sel);
}

static bool seg_usable(enum seg seg)
{
	return !(seg_ar(seg) & VMX_AR_UNUSABLE_MASK);
}

static bool seg_granularity_ok(enum seg seg)
{
	u32 limit = vmcs_read_any(seg_fields[seg].limit);

	if (seg_ar(seg) & VMX_AR_G_MASK)
		return (limit & 0xfff) == 0xfff;
	return !(limit >> 20);
}

static const char * const seg_names[NR_SEGS] = { "ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR" };

static void check_seg_vm86(struct check *c, enum seg seg)
{
	u64 base = vmcs_read_any(seg_fields[seg].base);

	if (base == (u64)seg_sel(seg) << 4 && vmcs_read_any(seg_fields[seg].limit) == 0xffff &&
	    seg_ar(seg) == 0xf3)
		return;
	pr_info("kvm-intel: in segment %s\n", seg_names[seg]);
	check_say(c, "virtual-8086: base from the selector, limit FFFFH, attributes F3H");
}

static bool seg_common_ok(enum seg seg)
{
	u32 ar = seg_ar(seg);

	return (ar & VMX_AR_P_MASK) && !(ar & ~(VMX_AR_UNUSABLE_MASK | 0xf0ff)) &&
	       seg_granularity_ok(seg);
}

static void check_code(struct check *c)
{
	u32 ar = seg_ar(SEG_CS), type = ar & VMX_AR_TYPE_MASK;

	RULE(c, seg_usable(SEG_CS) && seg_common_ok(SEG_CS) && (ar & VMX_AR_S_MASK),
	     "CS usable, present, G as the limit");
	RULE(c, !(vmcs_readn(GUEST_CS_BASE) >> 32), "base of CS below 4 GiB");
	RULE(c, type == 3 || (type & 9) == 9, "CS is accessed code, or read/write data");
	RULE(c, !(type == 9 || type == 11) || VMX_AR_DPL(ar) == VMX_AR_DPL(seg_ar(SEG_SS)),
	     "DPL of CS as that of SS");
	RULE(c, !(type == 13 || type == 15) || VMX_AR_DPL(ar) <= VMX_AR_DPL(seg_ar(SEG_SS)),
	     "DPL of conforming CS not above SS");
	RULE(c, type != 3 || !VMX_AR_DPL(ar), "DPL 0 with CS as data");
	RULE(c, !(c->long_mode && (ar & VMX_AR_L_MASK) && (ar & VMX_AR_DB_MASK)),
	     "CS.L and CS.D not both");
}

static void check_data(struct check *c, enum seg seg)
{
	u32 ar = seg_ar(seg), type = ar & VMX_AR_TYPE_MASK;

	if (!seg_usable(seg))
		return;
	if (seg != SEG_FS && seg != SEG_GS && vmcs_read_any(seg_fields[seg].base) >> 32)
		check_say(c, "bases of SS, DS and ES below 4 GiB");
	if (seg_common_ok(seg) && (ar & VMX_AR_S_MASK) && (type & 1) && (type & 0xa) != 8 &&
	    (seg != SEG_SS || type == 3 || type == 7))
		return;
	pr_info("kvm-intel: in segment %s\n", seg_names[seg]);
	check_say(c, "present, accessed and readable, SS writable; G as the limit");
}

static void check_system_segments(struct check *c)
{
	u32 type = seg_ar(SEG_TR) & VMX_AR_TYPE_MASK;

	RULE(c, type == 11 || (type == 3 && !c->long_mode),
	     "TR is a busy TSS, a 64-bit one in long mode");
	RULE(c, seg_usable(SEG_TR) && seg_common_ok(SEG_TR) && !(seg_ar(SEG_TR) & VMX_AR_S_MASK),
	     "TR usable, present, a system segment, G as the limit");
	RULE(c, !(seg_sel(SEG_TR) & 4), "TR's selector is in the GDT");
	RULE(c,
	     vmx_canonical(vmcs_readn(GUEST_TR_BASE)) && vmx_canonical(vmcs_readn(GUEST_FS_BASE)) &&
		     vmx_canonical(vmcs_readn(GUEST_GS_BASE)),
	     "bases of TR, FS and GS canonical");
	if (!seg_usable(SEG_LDTR))
		return;
	RULE(c,
	     (seg_ar(SEG_LDTR) & (VMX_AR_TYPE_MASK | VMX_AR_S_MASK)) == 2 &&
		     seg_common_ok(SEG_LDTR) && !(seg_sel(SEG_LDTR) & 4) &&
		     vmx_canonical(vmcs_readn(GUEST_LDTR_BASE)),
	     "LDTR is a present LDT of the GDT, or unusable");
}

static void check_segments(struct check *c)
{
	enum seg s;

	for (s = SEG_ES; s <= SEG_GS; s++) {
		if (c->vm86)
			check_seg_vm86(c, s);
		else if (s != SEG_CS)
			check_data(c, s);
	}
	if (!c->vm86)
		check_code(c);
	RULE(c, c->vm86 || !VMX_AR_DPL(seg_ar(SEG_SS)) || (c->cr0 & X86_CR0_PE),
	     "DPL of SS 0 in real mode");
	check_system_segments(c);
}

/* ------------------ what isn't a register (27.3.1.5, 27.3.1.6) */

static void check_activity(struct check *c)
{
	u32 state = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO),
	    activity = vmcs_read32(GUEST_ACTIVITY_STATE);

	RULE(c, activity <= GUEST_ACTIVITY_WAIT_SIPI, "a known activity state");
	RULE(c, activity != GUEST_ACTIVITY_HLT || !VMX_AR_DPL(seg_ar(SEG_SS)),
	     "a halt at CPL 0 only");
	RULE(c,
	     activity == GUEST_ACTIVITY_ACTIVE ||
		     !(state & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)),
	     "active in a shadow");
	RULE(c, !(state & ~0x1full), "no reserved bit in the interruptibility state");
	RULE(c, !(vmcs_readn(GUEST_PENDING_DBG_EXCEPTIONS) & ~0x1500full),
	     "no reserved bit in the pending debug exceptions");
	RULE(c, vmcs_read64(VMCS_LINK_POINTER) == ~0ull, "no VMCS linked");
}

static void check_blocking(struct check *c)
{
	u32 state = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO),
	    type = c->intr_info & INTR_INFO_INTR_TYPE_MASK;
	u32 shadow = state & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS);
	bool pending = vmcs_readn(GUEST_PENDING_DBG_EXCEPTIONS) & DR_STEP;

	RULE(c, shadow != (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS),
	     "not blocked by STI and MOV SS at once");
	RULE(c, !(shadow & GUEST_INTR_STATE_STI) || (c->rflags & X86_EFLAGS_IF),
	     "blocked by STI only with RFLAGS.IF");
	RULE(c, !shadow || pending == !!(c->rflags & X86_EFLAGS_TF),
	     "in a shadow a step is pending if RFLAGS.TF is set");
	if (!(c->intr_info & INTR_INFO_VALID_MASK))
		return;
	RULE(c, type != INTR_TYPE_EXT_INTR || !shadow, "no interrupt injected in a shadow");
	RULE(c,
	     type != INTR_TYPE_NMI_INTR ||
		     !(state & (GUEST_INTR_STATE_NMI | GUEST_INTR_STATE_MOV_SS)),
	     "no NMI injected while they are blocked");
}

static bool pdpte_ok(u64 pdpte)
{
	return !(pdpte & 1) || (!(pdpte & 0x1e6) && !beyond_physical(pdpte));
}

static void check_pdptes(struct check *c)
{
	if (!(c->cr0 & X86_CR0_PG) || !(c->cr4 & X86_CR4_PAE) || c->long_mode)
		return;
	RULE(c,
	     pdpte_ok(vmcs_read64(GUEST_PDPTR0)) && pdpte_ok(vmcs_read64(GUEST_PDPTR1)) &&
		     pdpte_ok(vmcs_read64(GUEST_PDPTR2)) && pdpte_ok(vmcs_read64(GUEST_PDPTR3)),
	     "no reserved bit in a PDPTE");
}

/** vmx_check_entry() - log the rules that the VMCS breaks. VMCS loaded; any context. */
void vmx_check_entry(struct hw_vcpu *hw)
{
	struct check c = {
		.hw = hw,
		.cr0 = vmcs_readn(GUEST_CR0),
		.cr4 = vmcs_readn(GUEST_CR4),
		.efer = vmcs_read64(GUEST_IA32_EFER),
		.rflags = vmcs_readn(GUEST_RFLAGS),
		.pin = vmcs_read32(PIN_BASED_VM_EXEC_CONTROL),
		.proc = vmcs_read32(CPU_BASED_VM_EXEC_CONTROL),
		.proc2 = vmcs_read32(SECONDARY_VM_EXEC_CONTROL),
		.intr_info = vmcs_read32(VM_ENTRY_INTR_INFO_FIELD),
		.long_mode = vmcs_read32(VM_ENTRY_CONTROLS) & VM_ENTRY_IA32E_MODE,
	};

	c.vm86 = c.rflags & X86_EFLAGS_VM;
	check_controls(&c);
	check_injection(&c);
	check_host(&c);
	check_control_registers(&c);
	check_segments(&c);
	check_tables(&c);
	check_rip_rflags(&c);
	check_activity(&c);
	check_blocking(&c);
	check_pdptes(&c);
	if (!c.broken)
		pr_info("kvm-intel: no broken rule found\n");
}
