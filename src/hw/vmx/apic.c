// SPDX-License-Identifier: GPL-2.0-only
/*
 * APIC virtualization (SDM 3C, chapter 30): the virtual-APIC page is the LAPIC's own register page,
 * and the CPU does by itself what it can.
 *
 *	in xAPIC mode   the guest's page is mapped to the APIC-access page, and accesses to that go
 *	to the registers: TPR on every CPU that has it,
 *			nearly all of them with APIC-register virtualization
 *	in x2APIC mode	the same for RDMSR and WRMSR, where the MSR bitmap lets them pass
 *	with virtual-interrupt delivery the CPU takes vectors from IRR to the guest, and EOI and
 *	self-IPIs need no exit
 */
#include <linux/gfp.h>
#include <asm/apicdef.h>
#include <asm/io.h>
#include "hw/hw.h"

/* of them, those that the CPU has; constant after vmx_apic_setup() */
static u32 apic_controls;

/** vmx_apic_setup() - at module load. */
void vmx_apic_setup(u32 proc2)
{
	apic_controls = proc2 & APIC_CONTROLS;
	/* Every CPU that delivers has the registers, too: one case less to think of. */
	if (!(apic_controls & SECONDARY_EXEC_APIC_REGISTER_VIRT))
		apic_controls &= ~SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
	hw_caps.virtual_apic = apic_controls & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES;
	hw_caps.virtual_x2apic = apic_controls & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;
	hw_caps.virtual_intr =
		hw_caps.virtual_apic && (apic_controls & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY);
}

int vmx_apic_vm_init(struct hw_vm *vm)
{
	if (!hw_caps.virtual_apic)
		return 0;
	vm->apic_page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vm->apic_page ? 0 : -ENOMEM;
}

hpa_t hw_apic_page(struct hw_vm *vm)
{
	return vm->apic_page ? virt_to_phys(vm->apic_page) : 0;
}

static const u32 eoi_exit_fields[4] = { EOI_EXIT_BITMAP0, EOI_EXIT_BITMAP1, EOI_EXIT_BITMAP2,
					EOI_EXIT_BITMAP3 };

/** vmx_apic_reset() - the fields of a new VMCS. */
void vmx_apic_reset(struct hw_vcpu *hw)
{
	unsigned int i;

	vmcs_write64(VIRTUAL_APIC_PAGE_ADDR, virt_to_phys(hw->vapic));
	if (hw_caps.virtual_apic)
		vmcs_write64(APIC_ACCESS_ADDR, virt_to_phys(hw->vm->apic_page));
	if (!hw_caps.virtual_intr)
		return;
	vmcs_write16(GUEST_INTR_STATUS, 0);
	for (i = 0; i < 4; i++) {
		hw->eoi_exits[i] = 0;
		vmcs_write_any(eoi_exit_fields[i], 0);
	}
}

/* ------------------------------------------------------------------ x2APIC */

#define R(reg)		BIT_ULL((reg) >> 4)
#define R8(reg)		(0xffULL << ((reg) >> 4))

/*
 * Registers whose value is in the page: one bit each by the number of its MSR. Not the current
 * count, which nobody writes there, nor ICR, whose upper half the CPU would look for elsewhere. PPR
 * is there where the CPU keeps it, for delivery.
 */
#define READ_FROM_PAGE	(R(APIC_ID) | R(APIC_LVR) | R(APIC_TASKPRI) | R(APIC_LDR) | R(APIC_SPIV) | R8(APIC_ISR) | R8(APIC_TMR) | R8(APIC_IRR) | \
			 R(APIC_ESR) | R(APIC_LVTT) | R(APIC_LVTTHMR) | R(APIC_LVTPC) | R(APIC_LVT0) | R(APIC_LVT1) | R(APIC_LVTERR) | \
			 R(APIC_TMICT) | R(APIC_TDCR))

/* WRMSR of any other register would reach the host's LAPIC. */
#define WRITE_DELIVERS	(R(APIC_TASKPRI) | R(APIC_EOI) | R(APIC_SELF_IPI))

static void x2apic_pass_through(struct hw_vcpu *hw, u32 controls)
{
	u64 read = 0, write = 0;
	u32 i;

	if (controls & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE) {
		read = write = R(APIC_TASKPRI);
		if (controls & SECONDARY_EXEC_APIC_REGISTER_VIRT)
			read = READ_FROM_PAGE;
		if (controls & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) {
			read |= R(APIC_PROCPRI);
			write = WRITE_DELIVERS;
		}
	}
	for (i = 0; i < 64; i++)
		hw_set_msr_intercept(hw, APIC_BASE_MSR + i,
				     (read >> i & 1 ? 0 : ACCESS_READ) |
					     (write >> i & 1 ? 0 : ACCESS_WRITE));
}

/* ------------------------------------------------------------------ what is virtualized */

static u32 controls_for(enum hw_apic mode, enum hw_apic_delivery delivery)
{
	u32 controls = 0;

	if (mode == HW_APIC_XAPIC)
		controls = SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES;
	else if (mode == HW_APIC_X2APIC)
		controls = SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;
	if (!(controls & apic_controls))
		return 0;
	controls |= SECONDARY_EXEC_APIC_REGISTER_VIRT;
	if (delivery == HW_APIC_DELIVERS)
		controls |= SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
	return controls & apic_controls;
}

void hw_set_virtual_apic(struct hw_vcpu *hw, void *regs, enum hw_apic mode,
			 enum hw_apic_delivery delivery)
{
	u32 controls = controls_for(mode, delivery);
	u8 *page = controls ? regs : hw->own_vapic;

	/*
	 * A threshold of the one page may be too high for the other's TPR, which the caller keeps
	 * as it should be.
	 */
	hw_set_tpr_threshold(hw, 0);
	if (page != hw->vapic) {
		hw->vapic = page;
		vmcs_write64(VIRTUAL_APIC_PAGE_ADDR, virt_to_phys(page));
	}
	vmx_set_proc2(hw, APIC_CONTROLS & ~controls, false);
	vmx_set_proc2(hw, controls, true);
	x2apic_pass_through(hw, controls);
}

void hw_set_rvi_svi(struct hw_vcpu *hw, int rvi, int svi)
{
	/* The CPU changes both, so what was written last says nothing. No vector is 0 here. */
	vmcs_write16(GUEST_INTR_STATUS, max(rvi, 0) | max(svi, 0) << 8);
}

void hw_set_eoi_exits(struct hw_vcpu *hw, const u64 bitmap[4])
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (bitmap[i] == hw->eoi_exits[i])
			continue;
		hw->eoi_exits[i] = bitmap[i];
		vmcs_write_any(eoi_exit_fields[i], bitmap[i]);
	}
}
