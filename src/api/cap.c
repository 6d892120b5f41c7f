// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capabilities: what KVM_CHECK_EXTENSION answers and KVM_ENABLE_CAP does. What isn't in the table
 * isn't there: 0.
 */
#include <linux/cpumask.h>
#include <linux/sched/stat.h>
#include <asm/cpufeature.h>
#include "api/api.h"

#define CLOCK_FLAGS		(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)
#define DIRTY_LOG_FLAGS		(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)
#define X2APIC_FLAGS		(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
#define QUIRKS			((u64)(KVM_X86_QUIRK_LAPIC_MMIO_HOLE | KVM_X86_QUIRK_OUT_7E_INC_RIP |		\
				       KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS))
#define DEBUG_FLAGS		(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP |	\
				 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_INJECT_DB |	\
				 KVM_GUESTDBG_BLOCKIRQ)
#define MSR_EXIT_REASONS \
	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER)
/* A timer's longest time, 2^32 - 1 ticks divided by 128, must fit in 64 bits. */
#define APIC_BUS_NS_MAX		(U64_MAX / U32_MAX / 128)

struct capability {
	u32 cap;
	int value;
};

static const struct capability capabilities[] = {
	{ KVM_CAP_IRQCHIP,			1 },
	{ KVM_CAP_HLT,				1 },
	{ KVM_CAP_USER_MEMORY,			1 },
	{ KVM_CAP_SET_TSS_ADDR,			1 },
	{ KVM_CAP_EXT_CPUID,			1 },
	{ KVM_CAP_CLOCKSOURCE,			1 },
	{ KVM_CAP_NR_MEMSLOTS,			MEMSLOTS_MAX },
	{ KVM_CAP_PIT,				1 },
	{ KVM_CAP_NOP_IO_DELAY,			1 },
	{ KVM_CAP_MP_STATE,			1 },
	{ KVM_CAP_COALESCED_MMIO,		KVM_COALESCED_MMIO_PAGE_OFFSET },
	{ KVM_CAP_SYNC_MMU,			1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS,	1 },
	{ KVM_CAP_USER_NMI,			1 },
	{ KVM_CAP_SET_GUEST_DEBUG,		1 },
	{ KVM_CAP_REINJECT_CONTROL,		1 },
	{ KVM_CAP_IRQ_ROUTING,			GSI_MAX },
	{ KVM_CAP_IRQ_INJECT_STATUS,		1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS,	1 },
	{ KVM_CAP_MCE,				MCE_BANKS },
	{ KVM_CAP_IRQFD,			1 },
	{ KVM_CAP_PIT2,				1 },
	{ KVM_CAP_SET_BOOT_CPU_ID,		1 },
	{ KVM_CAP_PIT_STATE2,			1 },
	{ KVM_CAP_IOEVENTFD,			1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR,	1 },
	{ KVM_CAP_ADJUST_CLOCK,			CLOCK_FLAGS },
	{ KVM_CAP_INTERNAL_ERROR_DATA,		1 },
	{ KVM_CAP_VCPU_EVENTS,			1 },
	{ KVM_CAP_DEBUGREGS,			1 },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP,	1 },
	{ KVM_CAP_ENABLE_CAP,			1 },
	{ KVM_CAP_XSAVE,			1 },
	{ KVM_CAP_GET_TSC_KHZ,			1 },
	{ KVM_CAP_MAX_VCPUS,			VM_MAX_VCPUS },
	{ KVM_CAP_TSC_DEADLINE_TIMER,		1 },
	{ KVM_CAP_SYNC_REGS,			KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_KVMCLOCK_CTRL,		1 },
	{ KVM_CAP_SIGNAL_MSI,			1 },
	{ KVM_CAP_READONLY_MEM,			1 },
	{ KVM_CAP_IRQFD_RESAMPLE,		1 },
	{ KVM_CAP_EXT_EMUL_CPUID,		1 },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED,	1 },
	{ KVM_CAP_ENABLE_CAP_VM,		1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH,		1 },
	{ KVM_CAP_CHECK_EXTENSION_VM,		1 },
	{ KVM_CAP_DISABLE_QUIRKS,		1 },
	{ KVM_CAP_SPLIT_IRQCHIP,		1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH,		1 },
	{ KVM_CAP_VCPU_ATTRIBUTES,		1 },
	{ KVM_CAP_MAX_VCPU_ID,			VM_MAX_VCPUS },
	{ KVM_CAP_X2APIC_API,			X2APIC_FLAGS },
	{ KVM_CAP_IMMEDIATE_EXIT,		1 },
	{ KVM_CAP_GET_MSR_FEATURES,		1 },
	{ KVM_CAP_COALESCED_PIO,		1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD,		1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,	DIRTY_LOG_FLAGS },
	{ KVM_CAP_HALT_POLL,			1 },
	{ KVM_CAP_X86_USER_SPACE_MSR,		1 },
	{ KVM_CAP_X86_MSR_FILTER,		1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID,	1 },
	{ KVM_CAP_SET_GUEST_DEBUG2,		DEBUG_FLAGS },
	{ KVM_CAP_SREGS2,			1 },
	{ KVM_CAP_BINARY_STATS_FD,		1 },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE,	1 },
	{ KVM_CAP_XSAVE2,			sizeof(struct kvm_xsave) },
	{ KVM_CAP_DISABLE_QUIRKS2,		QUIRKS },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT,	1 },
	{ KVM_CAP_USER_MEMORY2,			1 },
	{ KVM_CAP_VM_TYPES,			BIT(KVM_X86_DEFAULT_VM) },
	{ KVM_CAP_PRE_FAULT_MEMORY,		1 },
	{ KVM_CAP_X86_APIC_BUS_CYCLES_NS,	APIC_BUS_NS_DEFAULT },
};

/*
 * A guest may wait in MWAIT where that wakes up: no erratum, and the host's timer goes on in every
 * state that the guest may ask for.
 */
static u32 disable_exits_allowed(void)
{
	bool mwait = boot_cpu_has(X86_FEATURE_MWAIT) && boot_cpu_has(X86_FEATURE_ARAT) &&
		     !boot_cpu_has_bug(X86_BUG_MONITOR);

	return KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE |
	       (mwait ? KVM_X86_DISABLE_EXITS_MWAIT : 0);
}

/* What depends on this host. */
static int cap_dynamic(unsigned long cap)
{
	switch (cap) {
	case KVM_CAP_NR_VCPUS:			return min_t(int, num_online_cpus(), VM_MAX_VCPUS);
	case KVM_CAP_XCRS:			return boot_cpu_has(X86_FEATURE_XSAVE);
	case KVM_CAP_TSC_CONTROL:
	case KVM_CAP_VM_TSC_CONTROL:		return hw_caps.tsc_scaling;
	case KVM_CAP_STEAL_TIME:		return sched_info_on();
	case KVM_CAP_X86_DISABLE_EXITS:		return disable_exits_allowed();
	default:				return 0;
	}
}

int cap_check(unsigned long cap)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(capabilities); i++)
		if (capabilities[i].cap == cap)
			return capabilities[i].value;
	return cap_dynamic(cap);
}

/* ------------------------------------------------------------------ KVM_ENABLE_CAP on a VM */

/* vm->lock held: settings that vCPUs are built by. */
static bool has_vcpus(struct vm_x86 *x)
{
	return atomic_read(&x->vm.nr_vcpus);
}

/* A quirk that is disabled stays so. */
static int enable_quirks(struct vm_x86 *x, u64 quirks)
{
	if (quirks & ~QUIRKS)
		return -EINVAL;
	WRITE_ONCE(x->disabled_quirks, x->disabled_quirks | quirks);
	return 0;
}

static int enable_split_irqchip(struct vm_x86 *x, u64 pins)
{
	if (pins > U8_MAX)
		return -EINVAL;
	return irqchip_create_split(&x->irqchip, &x->vm, pins);
}

static int enable_x2apic_api(struct vm_x86 *x, u64 flags)
{
	if (flags & ~X2APIC_FLAGS)
		return -EINVAL;
	if (flags & KVM_X2APIC_API_USE_32BIT_IDS)
		x->irqchip.x2apic_format = true;
	if (flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		x->irqchip.x2apic_broadcast_quirk_disabled = true;
	return 0;
}

static int enable_user_space_msr(struct vm_x86 *x, u64 mask)
{
	if (mask & ~(u64)(MSR_EXIT_REASONS))
		return -EINVAL;
	WRITE_ONCE(x->user_space_msr_mask, mask);
	return 0;
}

static int enable_manual_dirty_log(struct vm_x86 *x, u64 flags)
{
	u64 allowed = flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE ? DIRTY_LOG_FLAGS : 0;

	if (flags & ~allowed)
		return -EINVAL;
	mutex_lock(&x->vm.slots_lock);
	x->vm.manual_dirty_log = flags;
	mutex_unlock(&x->vm.slots_lock);
	return 0;
}

static int enable_halt_poll(struct vm_x86 *x, u64 ns)
{
	if (ns > U32_MAX)
		return -EINVAL;
	WRITE_ONCE(x->vm.params.halt_poll_ns, ns);
	return 0;
}

/* Once, and before the first vCPU; 0 or the same value again is no change. */
static int enable_max_vcpu_id(struct vm_x86 *x, u64 max)
{
	if (max > VM_MAX_VCPUS)
		return -EINVAL;
	if (!max || max == x->vm.max_vcpu_id)
		return 0;
	if (has_vcpus(x) || x->vm.max_vcpu_id != VM_MAX_VCPUS || x->irqchip.bsp_id >= max)
		return -EINVAL;
	WRITE_ONCE(x->vm.max_vcpu_id, max);
	return 0;
}

static int enable_disable_exits(struct vm_x86 *x, u64 exits)
{
	if ((exits & ~(u64)disable_exits_allowed()) || has_vcpus(x))
		return -EINVAL;
	x->disabled_exits |= exits;
	return 0;
}

static int enable_apic_bus_ns(struct vm_x86 *x, u64 ns)
{
	if (!ns || ns > APIC_BUS_NS_MAX)
		return -EINVAL;
	if (x->irqchip.mode == IRQCHIP_NONE)
		return -ENXIO;
	if (has_vcpus(x))
		return -EINVAL;
	x->apic_bus_ns = ns;
	return 0;
}

/* Any value but 0 is on. */
static int enable_flag(bool *flag, u64 on)
{
	WRITE_ONCE(*flag, !!on);
	return 0;
}

static int enable_emulation_exits(struct vm_x86 *x, u64 on)
{
	return on > 1 ? -EINVAL : enable_flag(&x->exit_on_emulation_error, on);
}

/* vm->lock held. */
static int vm_enable_cap_locked(struct vm_x86 *x, u32 cap, u64 arg)
{
	switch (cap) {
	case KVM_CAP_DISABLE_QUIRKS:		return enable_quirks(x, arg & QUIRKS);
	case KVM_CAP_DISABLE_QUIRKS2:		return enable_quirks(x, arg);
	case KVM_CAP_SPLIT_IRQCHIP:		return enable_split_irqchip(x, arg);
	case KVM_CAP_X2APIC_API:		return enable_x2apic_api(x, arg);
	case KVM_CAP_EXCEPTION_PAYLOAD:		return enable_flag(&x->exception_payload, arg);
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:	return enable_flag(&x->triple_fault_event, arg);
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE:	return enable_emulation_exits(x, arg);
	case KVM_CAP_X86_USER_SPACE_MSR:	return enable_user_space_msr(x, arg);
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:	return enable_manual_dirty_log(x, arg);
	case KVM_CAP_HALT_POLL:			return enable_halt_poll(x, arg);
	case KVM_CAP_MAX_VCPU_ID:		return enable_max_vcpu_id(x, arg);
	case KVM_CAP_X86_APIC_BUS_CYCLES_NS:	return enable_apic_bus_ns(x, arg);
	case KVM_CAP_X86_DISABLE_EXITS:		return enable_disable_exits(x, arg);
	default:				return -EINVAL;
	}
}

int vm_enable_cap(struct vm_x86 *x, const struct kvm_enable_cap *cap)
{
	int err;

	if (cap->flags)
		return -EINVAL;
	mutex_lock(&x->vm.lock);
	err = vm_enable_cap_locked(x, cap->cap, cap->args[0]);
	mutex_unlock(&x->vm.lock);
	return err;
}

int vcpu_enable_cap(struct vcpu_x86 *v, const struct kvm_enable_cap *cap)
{
	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_ENFORCE_PV_FEATURE_CPUID:	return enable_flag(&v->pv_enforced, cap->args[0]);
	default:				return -EINVAL;
	}
}
