// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations: nearly every ioctl of the API with an argument that is mostly one that makes sense, sometimes one at
 * a limit and sometimes nonsense, and what else a VMM does to its VMs: memory that comes and goes, files that close,
 * a shared page that is written while the kernel reads it.
 */
#include "fuzz.h"

/* ------------------------------------------------------------------ arguments */

/* Where @size bytes go: as a rule right before memory that isn't there, so that a copy of more of them fails. */
static void *place(struct fuzzer *f, size_t size)
{
	return f->scratch + GUARDED - (size + 7) / 8 * 8;
}

/* Sometimes the kernel gets a pointer to something else instead. */
static void *perhaps_bad(struct fuzzer *f, void *arg)
{
	if (!chance(f, 2))
		return arg;
	switch (below(f, 4)) {
	case 0:
		return NULL;
	case 1:
		return (u8 *)arg + 8 * (1 + below(f, 8));
	case 2:
		return f->scratch + GUARDED;
	default:
		return (void *)0xffff888000000000ull;
	}
}

static long simple(struct fuzzer *f, int fd, unsigned long request, void *arg)
{
	return journaled(f, fd, request, perhaps_bad(f, arg));
}

/* What KVM_GET_x gave goes back through KVM_SET_x with a few fields changed, or none. */
static long get_mutate_set(struct fuzzer *f, int fd, unsigned long get, unsigned long set, size_t size)
{
	void *arg = place(f, size);

	memset(arg, 0, size);
	if (chance(f, 90))
		journaled(f, fd, get, arg);
	else
		fill_random(f, arg, size);
	if (chance(f, 70))
		mutate(f, arg, size);
	return simple(f, fd, set, arg);
}

#define GET_SET(name, GET, SET, type) \
	static long name(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu) \
	{ \
		(void)vm; \
		return get_mutate_set(f, vcpu ? vcpu->fd : vm->fd, GET, SET, sizeof(type)); \
	}

GET_SET(set_fpu, KVM_GET_FPU, KVM_SET_FPU, struct kvm_fpu)
GET_SET(set_xsave, KVM_GET_XSAVE, KVM_SET_XSAVE, struct kvm_xsave)
GET_SET(set_xcrs, KVM_GET_XCRS, KVM_SET_XCRS, struct kvm_xcrs)
GET_SET(set_debugregs, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, struct kvm_debugregs)
GET_SET(set_events, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, struct kvm_vcpu_events)
GET_SET(set_lapic, KVM_GET_LAPIC, KVM_SET_LAPIC, struct kvm_lapic_state)
GET_SET(set_pit, KVM_GET_PIT, KVM_SET_PIT, struct kvm_pit_state)
GET_SET(set_pit2, KVM_GET_PIT2, KVM_SET_PIT2, struct kvm_pit_state2)
GET_SET(set_clock, KVM_GET_CLOCK, KVM_SET_CLOCK, struct kvm_clock_data)

#define ONE_IOCTL(name, REQUEST, type, ...) \
	static long name(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu) \
	{ \
		type *a = place(f, sizeof(type)); \
		\
		(void)vm; \
		memset(a, 0, sizeof(*a)); \
		__VA_ARGS__; \
		if (chance(f, 10)) \
			mutate(f, a, sizeof(*a)); \
		return simple(f, vcpu ? vcpu->fd : vm->fd, REQUEST, a); \
	}
/* The argument is a number. */
#define ONE_VALUE(name, REQUEST, ...) \
	static long name(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu) \
	{ \
		u64 usual = (__VA_ARGS__); \
		\
		return journaled(f, vcpu ? vcpu->fd : vm->fd, REQUEST, (void *)(chance(f, 90) ? usual : odd_value(f))); \
	}

/* ------------------------------------------------------------------ VM */

static void *any_hva(struct fuzzer *f)
{
	if (chance(f, 5))
		return (void *)(odd_value(f) & ~0xfffull);
	return f->w->ram + (rnd(f) % RAM_SIZE & ~0xfffull);
}

/* Slot 0 is all of the memory from 0; others move around, often over one another. */
static void any_region(struct fuzzer *f, struct kvm_userspace_memory_region *r)
{
	r->slot = chance(f, 95) ? below(f, 6) : (u32)odd_value(f);
	r->flags = chance(f, 95) ? below(f, 4) : (u32)odd_value(f);
	if (!r->slot && chance(f, 70)) {
		r->memory_size = RAM_SIZE;
		r->userspace_addr = (uintptr_t)f->w->ram;
		r->flags &= KVM_MEM_LOG_DIRTY_PAGES;
		return;
	}
	r->guest_phys_addr = any_gpa(f) & (chance(f, 95) ? ~0xfffull : ~0ull);
	r->memory_size = chance(f, 25) ? 0 : chance(f, 90) ? (u64)(1 + below(f, 1024)) << 12 : odd_value(f);
	r->userspace_addr = (uintptr_t)any_hva(f);
}

ONE_IOCTL(set_region, KVM_SET_USER_MEMORY_REGION, struct kvm_userspace_memory_region, any_region(f, a))
ONE_IOCTL(set_region2, KVM_SET_USER_MEMORY_REGION2, struct kvm_userspace_memory_region2,
	  any_region(f, (struct kvm_userspace_memory_region *)a))
ONE_IOCTL(irq_line, KVM_IRQ_LINE, struct kvm_irq_level, a->irq = below(f, 28); a->level = below(f, 2))
ONE_IOCTL(irq_line_status, KVM_IRQ_LINE_STATUS, struct kvm_irq_level, a->irq = below(f, 28); a->level = below(f, 2))
ONE_IOCTL(signal_msi, KVM_SIGNAL_MSI, struct kvm_msi, a->address_lo = 0xfee00000 | (u32)rnd(f) % 256 << 12 | (rnd(f) & 0xc);
	  a->data = rnd(f) & (chance(f, 80) ? 0x7ff : 0xffffffff))
ONE_IOCTL(irqfd, KVM_IRQFD, struct kvm_irqfd, a->fd = f->w->eventfd[below(f, EVENTFDS)]; a->gsi = below(f, 30); a->flags = below(f, 4);
	  a->resamplefd = f->w->eventfd[below(f, EVENTFDS)])
ONE_IOCTL(ioeventfd, KVM_IOEVENTFD, struct kvm_ioeventfd, a->datamatch = below(f, 3); a->flags = below(f, 8);
	  a->addr = a->flags & 2 ? 0x20 + below(f, 100) : any_gpa(f); a->len = chance(f, 80) ? 1 << below(f, 4) : 0;
	  a->fd = f->w->eventfd[below(f, EVENTFDS)])
ONE_IOCTL(coalesced, KVM_REGISTER_COALESCED_MMIO, struct kvm_coalesced_mmio_zone, a->addr = any_gpa(f); a->size = below(f, 0x2000); a->pio = chance(f, 20))
ONE_IOCTL(uncoalesced, KVM_UNREGISTER_COALESCED_MMIO, struct kvm_coalesced_mmio_zone, a->addr = any_gpa(f) & ~0xfffull; a->size = below(f, 0x2000))
ONE_IOCTL(create_pit, KVM_CREATE_PIT2, struct kvm_pit_config, a->flags = below(f, 2))
ONE_IOCTL(reinject, KVM_REINJECT_CONTROL, struct kvm_reinject_control, a->pit_reinject = below(f, 2))
ONE_IOCTL(create_device, KVM_CREATE_DEVICE, struct kvm_create_device, a->type = below(f, 12); a->flags = below(f, 2))
ONE_IOCTL(identity_map, KVM_SET_IDENTITY_MAP_ADDR, u64, *a = any_gpa(f) & ~0xfffull)
ONE_VALUE(create_irqchip, KVM_CREATE_IRQCHIP, 0)
ONE_VALUE(tss_addr, KVM_SET_TSS_ADDR, any_gpa(f) & ~0xfffull)
ONE_VALUE(boot_cpu, KVM_SET_BOOT_CPU_ID, below(f, VCPUS))
ONE_VALUE(check_extension, KVM_CHECK_EXTENSION, below(f, 245))
ONE_VALUE(set_tsc_khz, KVM_SET_TSC_KHZ, 0)
ONE_VALUE(get_tsc_khz, KVM_GET_TSC_KHZ, 0)

static long set_irqchip(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct kvm_irqchip *chip = place(f, sizeof(*chip));

	(void)vcpu;
	memset(chip, 0, sizeof(*chip));
	chip->chip_id = below(f, 3);
	journaled(f, vm->fd, KVM_GET_IRQCHIP, chip);
	mutate(f, &chip->chip, sizeof(chip->chip));
	if (chance(f, 3))
		chip->chip_id = odd_value(f);
	return simple(f, vm->fd, KVM_SET_IRQCHIP, chip);
}

static void any_route(struct fuzzer *f, struct kvm_irq_routing_entry *e)
{
	e->gsi = chance(f, 95) ? below(f, 30) : (u32)odd_value(f);
	e->type = chance(f, 95) ? 1 + below(f, 2) : (u32)odd_value(f);
	if (e->type == KVM_IRQ_ROUTING_IRQCHIP) {
		e->u.irqchip.irqchip = below(f, chance(f, 95) ? 3 : 9);
		e->u.irqchip.pin = below(f, e->u.irqchip.irqchip == 2 ? 24 : 8);
	} else {
		e->u.msi.address_lo = 0xfee00000 | below(f, 4) << 12;
		e->u.msi.data = rnd(f) & 0x7ff;
	}
}

static long set_routing(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	u32 n = below(f, 40), i;
	struct kvm_irq_routing *r = place(f, sizeof(*r) + n * sizeof(r->entries[0]));

	(void)vcpu;
	memset(r, 0, sizeof(*r) + n * sizeof(r->entries[0]));
	r->nr = chance(f, 97) ? n : (u32)odd_value(f);
	for (i = 0; i < n; i++)
		any_route(f, &r->entries[i]);
	return simple(f, vm->fd, KVM_SET_GSI_ROUTING, r);
}

static long dirty_log(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct kvm_clear_dirty_log *clear = place(f, sizeof(*clear));
	struct kvm_dirty_log log = { .slot = below(f, 7), .dirty_bitmap = f->scratch };

	(void)vcpu;
	if (chance(f, 60))
		return simple(f, vm->fd, KVM_GET_DIRTY_LOG, memcpy(place(f, sizeof(log)), &log, sizeof(log)));
	*clear = (struct kvm_clear_dirty_log) {
		.slot = below(f, 7), .num_pages = chance(f, 90) ? below(f, 8) * 64 : (u32)odd_value(f),
		.first_page = chance(f, 90) ? below(f, 8) * 64 : odd_value(f), .dirty_bitmap = f->scratch,
	};
	fill_random(f, f->scratch, 512);
	return simple(f, vm->fd, KVM_CLEAR_DIRTY_LOG, clear);
}

static long enable_cap(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	static const u32 caps[] = {
		KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_X2APIC_API, KVM_CAP_X86_USER_SPACE_MSR, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_CAP_DISABLE_QUIRKS2,
		KVM_CAP_DISABLE_QUIRKS, KVM_CAP_HALT_POLL, KVM_CAP_X86_APIC_BUS_CYCLES_NS, KVM_CAP_EXCEPTION_PAYLOAD,
		KVM_CAP_X86_TRIPLE_FAULT_EVENT, KVM_CAP_EXIT_ON_EMULATION_FAILURE, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, KVM_CAP_MAX_VCPU_ID,
	};
	struct kvm_enable_cap *cap = place(f, sizeof(*cap));

	memset(cap, 0, sizeof(*cap));
	cap->cap = chance(f, 90) ? caps[below(f, ARRAY_SIZE(caps))] : below(f, 250);
	cap->args[0] = chance(f, 80) ? below(f, 32) : odd_value(f);
	if (chance(f, 3))
		mutate(f, cap, sizeof(*cap));
	return simple(f, vcpu ? vcpu->fd : vm->fd, KVM_ENABLE_CAP, cap);
}

static long msr_filter(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct kvm_msr_filter *filter = place(f, sizeof(*filter));
	u32 i;

	(void)vcpu;
	memset(filter, 0, sizeof(*filter));
	filter->flags = chance(f, 90) ? below(f, 2) : (u32)odd_value(f);
	for (i = below(f, 5); i--;) {
		filter->ranges[i].flags = 1 + below(f, 3);
		filter->ranges[i].base = any_msr(f);
		filter->ranges[i].nmsrs = chance(f, 95) ? below(f, 0x200) : (u32)odd_value(f);
		filter->ranges[i].bitmap = f->scratch + below(f, 0x100);
	}
	return simple(f, vm->fd, KVM_X86_SET_MSR_FILTER, filter);
}

/* ------------------------------------------------------------------ vCPU */

static long set_regs(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct kvm_regs *r = place(f, sizeof(*r));

	(void)vm;
	mode_regs(f, r);
	return simple(f, vcpu->fd, KVM_SET_REGS, r);
}

/* A mode that works, now and then with something odd in it. */
static void any_sregs(struct fuzzer *f, struct fuzz_vcpu *vcpu, struct kvm_sregs *s)
{
	memset(s, 0, sizeof(*s));
	journaled(f, vcpu->fd, KVM_GET_SREGS, s);
	if (chance(f, 80))
		mode_sregs(f, below(f, f->w->long_mode ? MODES : MODE_LONG), s);
	if (chance(f, 30))
		mutate(f, s, chance(f, 50) ? offsetof(struct kvm_sregs, apic_base) : sizeof(*s));
	sregs_tame(f->w, s);
}

static long set_sregs(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct kvm_sregs *s = place(f, sizeof(*s));

	(void)vm;
	any_sregs(f, vcpu, s);
	return simple(f, vcpu->fd, KVM_SET_SREGS, s);
}

static long set_sregs2(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct kvm_sregs2 *s2 = place(f, sizeof(*s2));
	struct kvm_sregs s;

	(void)vm;
	any_sregs(f, vcpu, &s);
	memset(s2, 0, sizeof(*s2));
	memcpy(s2, &s, offsetof(struct kvm_sregs, interrupt_bitmap));
	s2->flags = chance(f, 90) ? below(f, 2) : odd_value(f);
	return simple(f, vcpu->fd, KVM_SET_SREGS2, s2);
}

static long msrs(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	u32 n = 1 + below(f, 4), i;
	struct kvm_msrs *m = place(f, sizeof(*m) + n * sizeof(m->entries[0]));

	(void)vm;
	memset(m, 0, sizeof(*m) + n * sizeof(m->entries[0]));
	m->nmsrs = chance(f, 98) ? n : (u32)odd_value(f);
	for (i = 0; i < n; i++) {
		m->entries[i].index = any_msr(f);
		m->entries[i].data = chance(f, 40) ? any_gpa(f) | 1 : odd_value(f);
	}
	return simple(f, vcpu->fd, chance(f, 30) ? KVM_GET_MSRS : KVM_SET_MSRS, m);
}

#define CPUID_ENTRIES	60

static struct kvm_cpuid2 *supported_cpuid(struct fuzzer *f)
{
	size_t size = sizeof(struct kvm_cpuid2) + CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2);
	struct kvm_cpuid2 *c = place(f, size);

	memset(c, 0, size);
	c->nent = CPUID_ENTRIES;
	journaled(f, f->w->kvm, KVM_GET_SUPPORTED_CPUID, c);
	return c;
}

static long set_cpuid(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct kvm_cpuid2 *c = supported_cpuid(f);

	(void)vm;
	if (chance(f, 40))
		mutate(f, c->entries, (c->nent % CPUID_ENTRIES) * sizeof(c->entries[0]) + 1);
	if (chance(f, 5))
		c->nent = odd_value(f);
	return simple(f, vcpu->fd, chance(f, 90) ? KVM_SET_CPUID2 : KVM_GET_CPUID2, c);
}

static long set_signal_mask(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct { u32 len; u8 set[8]; } *m = place(f, sizeof(*m));

	(void)vm;
	fill_random(f, m->set, sizeof(m->set));
	m->set[1] &= ~(1 << (SIGUSR1 - 9));	/* what ends KVM_RUN */
	m->set[1] &= ~(1 << (SIGALRM - 9));
	m->len = chance(f, 90) ? 8 : (u32)odd_value(f);
	return journaled(f, vcpu->fd, KVM_SET_SIGNAL_MASK, chance(f, 80) ? m : NULL);
}

ONE_IOCTL(set_mp_state, KVM_SET_MP_STATE, struct kvm_mp_state, a->mp_state = chance(f, 70) ? 0 : below(f, 5))
ONE_IOCTL(interrupt, KVM_INTERRUPT, struct kvm_interrupt, a->irq = below(f, 258))
ONE_IOCTL(translate, KVM_TRANSLATE, struct kvm_translation, a->linear_address = any_gpa(f))
ONE_IOCTL(guest_debug, KVM_SET_GUEST_DEBUG, struct kvm_guest_debug, a->control = chance(f, 40) ? 0 : 1 | (rnd(f) & 0x3f0003);
	  fill_random(f, &a->arch, sizeof(a->arch)); a->arch.debugreg[0] = CODE_GPA + below(f, CODE_SIZE))
ONE_IOCTL(vapic_addr, KVM_SET_VAPIC_ADDR, struct kvm_vapic_addr, a->vapic_addr = chance(f, 50) ? 0 : any_gpa(f))
ONE_IOCTL(setup_mce, KVM_X86_SETUP_MCE, u64, *a = 0x1000100 | below(f, 40))
ONE_IOCTL(set_mce, KVM_X86_SET_MCE, struct kvm_x86_mce, fill_random(f, a, sizeof(*a)); a->bank = below(f, 33); a->status |= 1ull << 63)
ONE_IOCTL(pre_fault, KVM_PRE_FAULT_MEMORY, struct kvm_pre_fault_memory, a->gpa = any_gpa(f) & ~0xfffull; a->size = (u64)below(f, 64) << 12)
ONE_IOCTL(device_attr, KVM_SET_DEVICE_ATTR, struct kvm_device_attr, a->addr = (uintptr_t)f->scratch; a->attr = chance(f, 10))
ONE_VALUE(nmi, KVM_NMI, 0)
ONE_VALUE(kvmclock_ctrl, KVM_KVMCLOCK_CTRL, 0)

/* The shared pages, while the vCPU may run: whatever is in them is the VMM's to write. */
static long scribble(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_sregs s;

	(void)vm;
	if (!run)
		return 0;
	run->immediate_exit = chance(f, 15);
	run->request_interrupt_window = chance(f, 30);
	run->cr8 = chance(f, 90) ? below(f, 16) : odd_value(f);
	run->kvm_valid_regs = chance(f, 95) ? below(f, 8) : odd_value(f);
	any_sregs(f, vcpu, &s);
	run->s.regs.sregs = s;
	mode_regs(f, &run->s.regs.regs);
	if (chance(f, 30))
		run->kvm_dirty_regs = chance(f, 95) ? below(f, 8) : odd_value(f);
	if (chance(f, 30))
		mutate(f, &run->s.regs.events, sizeof(run->s.regs.events));
	if (chance(f, 30))
		mutate(f, &run->io, 64);	/* data of an exit that waits for its answer */
	if (chance(f, 20))
		mutate(f, (u8 *)run + PAGE_SIZE, 2 * PAGE_SIZE);
	return 0;
}

/* Until something goes wrong, a few times; a timer's signal ends what doesn't end by itself. */
static long run(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct kvm_run *shared = vcpu->run;
	u32 times = 1 + below(f, 12), i, reason;
	long ret = 0;

	(void)vm;
	for (i = 0; i < times; i++) {
		ret = journaled(f, vcpu->fd, KVM_RUN, (void *)(chance(f, 99) ? 0 : odd_value(f)));
		if (ret || !shared)
			break;
		reason = shared->exit_reason;
		if (reason < ARRAY_SIZE(f->w->journal->exits))
			f->w->journal->exits[reason]++;
		if (reason == KVM_EXIT_SHUTDOWN || reason == KVM_EXIT_FAIL_ENTRY)
			break;
	}
	return ret;
}

/* Ready to run something: a mode, registers at some code. */
static long begin(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	struct kvm_sregs *s = place(f, sizeof(*s));
	struct kvm_mp_state *mp = place(f, sizeof(*mp));

	guest_code(f);
	memset(s, 0, sizeof(*s));
	journaled(f, vcpu->fd, KVM_GET_SREGS, s);
	mode_sregs(f, below(f, f->w->long_mode ? MODES : MODE_LONG), s);
	sregs_tame(f->w, s);
	journaled(f, vcpu->fd, KVM_SET_SREGS, s);
	mp->mp_state = KVM_MP_STATE_RUNNABLE;
	journaled(f, vcpu->fd, KVM_SET_MP_STATE, mp);
	set_regs(f, vm, vcpu);
	return run(f, vm, vcpu);
}

/* ------------------------------------------------------------------ files and memory */

static void vcpu_map(struct fuzz_vcpu *vcpu, int fd)
{
	void *run = mmap(NULL, RUN_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	vcpu->run = run == MAP_FAILED ? NULL : run;
	vcpu->fd = fd;
}

static long create_vcpu(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	u32 i = below(f, VCPUS);
	/* Without CPUID there is no long mode. */
	int fd = journaled(f, vm->fd, KVM_CREATE_VCPU, (void *)(chance(f, 95) ? i : odd_value(f)));

	(void)vcpu;
	if (fd < 0)
		return fd;
	if (vm->vcpu[i].fd >= 0)
		close(fd);	/* another thread's is there: this one has no file */
	else
		vcpu_map(&vm->vcpu[i], fd);
	if (chance(f, 85))
		journaled(f, vm->vcpu[i].fd, KVM_SET_CPUID2, supported_cpuid(f));
	return 0;
}

/* A new VM in the place of @vm, whose files close in some order. What threads are doing to the old one goes on. */
static long create_vm(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	static long (*const early[])(struct fuzzer *, struct fuzz_vm *, struct fuzz_vcpu *) = {
		create_irqchip, enable_cap, identity_map, boot_cpu, set_tsc_khz,
	};
	struct kvm_userspace_memory_region *r = place(f, sizeof(*r));
	int fd = journaled(f, f->w->kvm, KVM_CREATE_VM, (void *)(chance(f, 95) ? 0 : odd_value(f)));
	bool vm_first = chance(f, 50);
	u32 i;

	(void)vcpu;
	if (fd < 0)
		return fd;
	if (vm_first)
		close(vm->fd);
	for (i = 0; i < VCPUS; i++) {
		int old = vm->vcpu[i].fd;

		vm->vcpu[i].fd = -1;
		if (old >= 0)
			close(old);
	}
	if (!vm_first && vm->fd >= 0)
		close(vm->fd);
	vm->fd = fd;
	*r = (struct kvm_userspace_memory_region) { .memory_size = RAM_SIZE, .userspace_addr = (uintptr_t)f->w->ram };
	journaled(f, fd, KVM_SET_USER_MEMORY_REGION, r);
	if (chance(f, 50))
		journaled(f, fd, KVM_CREATE_IRQCHIP, 0);
	/* What is only for a VM without vCPUs. */
	for (i = below(f, 4); i--;)
		early[below(f, ARRAY_SIZE(early))](f, vm, NULL);
	for (i = 0; i < VCPUS && chance(f, 90); i++)
		create_vcpu(f, vm, NULL);
	return 0;
}

static long close_vcpu(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	int fd = vcpu->fd;

	(void)f, (void)vm;
	vcpu->fd = -1;
	return close(fd);
}

static long signal_eventfd(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	u64 one = 1;
	int fd = f->w->eventfd[below(f, EVENTFDS)];

	(void)vm, (void)vcpu;
	return chance(f, 80) ? write(fd, &one, 8) == 8 ? 0 : -1 : read(fd, &one, 8) == 8 ? 0 : -1;
}

/* What the host does to memory behind the VM's back. The code and tables are never lost for long. */
static long host_memory(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	u64 offset = rnd(f) % RAM_SIZE & ~0xfffull, size = (u64)(1 + below(f, 600)) << 12;
	u8 *at = f->w->ram + offset;

	(void)vm, (void)vcpu;
	if (size > RAM_SIZE - offset)
		size = RAM_SIZE - offset;
	switch (below(f, 6)) {
	case 0:
		return madvise(at, size, MADV_DONTNEED);
	case 1:
		return fallocate(f->w->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
	case 2:
		return mprotect(at, size, PROT_READ);
	case 3:
		return mprotect(f->w->ram, RAM_SIZE, PROT_READ | PROT_WRITE);
	case 4:
		return mmap(at, size, PROT_READ | PROT_WRITE, MAP_FIXED | (chance(f, 50) ? MAP_PRIVATE : MAP_SHARED), f->w->memfd, offset) == MAP_FAILED;
	default:
		guest_tables(f->w);
		guest_code(f);
		return 0;
	}
}

static long stats_fd(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	int fd = journaled(f, vcpu ? vcpu->fd : vm->fd, KVM_GET_STATS_FD, 0);

	if (fd < 0)
		return fd;
	/* The guard page behind the scratch memory ends a read that is too long. */
	if (pread(fd, f->scratch, below(f, GUARDED), chance(f, 70) ? below(f, 0x2000) : (u32)odd_value(f)) < 0) {
	}
	close(fd);
	return 0;
}

/* Any number at all, with anything behind the pointer. KVM_SET_SREGS and KVM_SET_MSRS have a rule to keep (guest.c). */
static long any_ioctl(struct fuzzer *f, struct fuzz_vm *vm, struct fuzz_vcpu *vcpu)
{
	static const u16 sizes[] = { 0, 0, 4, 8, 16, 24, 32, 64, 0x100, 0x400 };
	unsigned long request = _IOC(below(f, 4), KVMIO, below(f, 256), sizes[below(f, ARRAY_SIZE(sizes))]);

	if (request == KVM_SET_SREGS || request == KVM_SET_SREGS2 || request == KVM_SET_MSRS || request == KVM_SET_SIGNAL_MASK)
		return 0;
	fill_random(f, f->scratch + GUARDED - 0x1000, 0x1000);
	return journaled(f, vcpu ? vcpu->fd : vm->fd, request, chance(f, 60) ? f->scratch + GUARDED - 0x1000 : (void *)odd_value(f));
}

/* Most of them more than once, so that all of them come often enough. */
const struct op ops[] = {
	{ "create_vm", ON_VM, 2, create_vm }, { "create_vcpu", ON_VM, 4, create_vcpu }, { "close_vcpu", ON_VCPU, 1, close_vcpu },
	{ "begin", ON_VCPU, 30, begin }, { "run", ON_VCPU, 20, run }, { "scribble", ON_VCPU, 8, scribble },
	{ "set_regs", ON_VCPU, 4, set_regs }, { "set_sregs", ON_VCPU, 6, set_sregs }, { "set_sregs2", ON_VCPU, 3, set_sregs2 },
	{ "set_fpu", ON_VCPU, 2, set_fpu }, { "set_xsave", ON_VCPU, 3, set_xsave }, { "set_xcrs", ON_VCPU, 2, set_xcrs },
	{ "set_debugregs", ON_VCPU, 3, set_debugregs }, { "set_events", ON_VCPU, 6, set_events }, { "set_lapic", ON_VCPU, 6, set_lapic },
	{ "msrs", ON_VCPU, 10, msrs }, { "set_cpuid", ON_VCPU, 3, set_cpuid }, { "set_signal_mask", ON_VCPU, 1, set_signal_mask },
	{ "set_mp_state", ON_VCPU, 2, set_mp_state }, { "interrupt", ON_VCPU, 3, interrupt }, { "nmi", ON_VCPU, 3, nmi },
	{ "translate", ON_VCPU, 2, translate }, { "guest_debug", ON_VCPU, 3, guest_debug }, { "vapic_addr", ON_VCPU, 1, vapic_addr },
	{ "setup_mce", ON_VCPU, 1, setup_mce }, { "set_mce", ON_VCPU, 2, set_mce }, { "pre_fault", ON_VCPU, 3, pre_fault },
	{ "device_attr", ON_VCPU, 2, device_attr }, { "kvmclock_ctrl", ON_VCPU, 1, kvmclock_ctrl }, { "vcpu_enable_cap", ON_VCPU, 1, enable_cap },
	{ "vcpu_tsc_khz", ON_VCPU, 1, set_tsc_khz }, { "get_tsc_khz", ON_VCPU, 1, get_tsc_khz }, { "vcpu_stats", ON_VCPU, 1, stats_fd },
	{ "vcpu_ioctl", ON_VCPU, 4, any_ioctl, true },
	{ "set_region", ON_VM, 8, set_region }, { "set_region2", ON_VM, 2, set_region2 }, { "dirty_log", ON_VM, 6, dirty_log },
	{ "host_memory", ON_VM, 8, host_memory }, { "create_irqchip", ON_VM, 3, create_irqchip, true }, { "set_irqchip", ON_VM, 6, set_irqchip },
	{ "irq_line", ON_VM, 6, irq_line }, { "irq_line_status", ON_VM, 3, irq_line_status }, { "signal_msi", ON_VM, 6, signal_msi },
	{ "set_routing", ON_VM, 5, set_routing }, { "irqfd", ON_VM, 6, irqfd }, { "ioeventfd", ON_VM, 6, ioeventfd },
	{ "coalesced", ON_VM, 3, coalesced }, { "uncoalesced", ON_VM, 2, uncoalesced }, { "create_pit", ON_VM, 2, create_pit },
	{ "set_pit", ON_VM, 2, set_pit }, { "set_pit2", ON_VM, 3, set_pit2 }, { "reinject", ON_VM, 1, reinject },
	{ "set_clock", ON_VM, 2, set_clock }, { "enable_cap", ON_VM, 5, enable_cap }, { "msr_filter", ON_VM, 3, msr_filter },
	{ "create_device", ON_VM, 1, create_device, true }, { "identity_map", ON_VM, 2, identity_map, true }, { "tss_addr", ON_VM, 1, tss_addr },
	{ "boot_cpu", ON_VM, 2, boot_cpu, true }, { "check_extension", ON_VM, 1, check_extension }, { "vm_tsc_khz", ON_VM, 1, set_tsc_khz },
	{ "vm_stats", ON_VM, 1, stats_fd }, { "signal_eventfd", ON_VM, 4, signal_eventfd }, { "vm_ioctl", ON_VM, 3, any_ioctl, true },
};
const u32 nr_ops = ARRAY_SIZE(ops);

void world_create(struct fuzzer *f)
{
	struct world *w = f->w;
	u32 i;

	for (i = 0; i < EVENTFDS; i++)
		w->eventfd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (i = 0; i < VMS * VCPUS; i++)
		w->vm[i / VCPUS].vcpu[i % VCPUS].fd = -1;
	w->memfd = memfd_create("ram", MFD_CLOEXEC);
	w->ram = ftruncate(w->memfd, RAM_SIZE) ? MAP_FAILED : mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, w->memfd, 0);
	if (w->ram == MAP_FAILED)
		exit(2);
	guest_tables(w);
	for (i = 0; i < 40; i++)
		guest_code(f);
	for (i = 0; i < VMS; i++) {
		w->vm[i].fd = -1;
		create_vm(f, &w->vm[i], NULL);
	}
}
