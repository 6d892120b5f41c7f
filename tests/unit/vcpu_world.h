/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A whole VM above the scripted processor: core, irqchip, emulator and vCPU are the module's own sources; of the MMU only the walk of the
 * guest's page tables is, and nested page faults come out as the test says. A test gives the exits; the world runs them through vcpu_run().
 */
#ifndef UNIT_VCPU_WORLD_H
#define UNIT_VCPU_WORLD_H

#include "check.h"
#include "core/compat.h"
#include "core/vcpu.c"
#include "core/vm.c"
#include "core/memslot.c"
#include "core/iobus.c"
#include "core/ioeventfd.c"
#include "core/coalesced.c"
#include "core/stats.c"
#include "irqchip/apic_map.c"
#include "irqchip/deliver.c"
#include "irqchip/lapic.c"
#include "irqchip/lapic_timer.c"
#include "irqchip/lapic_state.c"
#include "irqchip/pic.c"
#include "irqchip/ioapic.c"
#include "irqchip/pit.c"
#include "irqchip/route.c"
#include "irqchip/irqfd.c"
#include "irqchip/irqchip.c"
#include "mmu/walk.c"
#include "emulate/alu.c"
#include "emulate/decode.c"
#include "emulate/mem.c"
#include "emulate/operand.c"
#include "emulate/string.c"
#include "emulate/far.c"
#include "emulate/system.c"
#include "emulate/fpu.c"
#include "emulate/exec.c"
#include "emulate/run.c"
#include "emulate/mov.c"
#include "vcpu/fpu.c"
#include "vcpu/fpustate.c"
#include "vcpu/cpuid.c"
#include "vcpu/msr.c"
#include "vcpu/clock.c"
#include "vcpu/pv.c"
#include "vcpu/cr.c"
#include "vcpu/debug.c"
#include "vcpu/state.c"
#include "vcpu/events.c"
#include "vcpu/halt.c"
#include "vcpu/io.c"
#include "vcpu/emu.c"
#include "vcpu/mov.c"
#include "vcpu/task.c"
#include "vcpu/exits.c"
#include "vcpu/fast.c"
#include "vcpu/run.c"
#include "vcpu/life.c"

u64 shim_xmm[16][2], shim_mmx[8];	/* the guest's, for the emulator */
u16 shim_fcw = 0x37f, shim_fsw;

/* ------------------------------------------------------------------ the MMU of the test */

static enum fault_result world_fault = FAULT_MMIO;
static bool world_fast_fault;
static int world_faults;

int mmu_init(struct mmu *mmu, struct vm *vm)
{
	mmu->vm = vm;
	return 0;
}

static int world_quiesced;

/* What is waited for may be telling the vCPUs of tables that it has dropped. */
void mmu_quiesce(struct mmu *mmu)
{
	vm_flush_remote_tlbs(mmu->vm);
	world_quiesced++;
}

void mmu_destroy(struct mmu *mmu)
{
}

hpa_t mmu_root(struct mmu *mmu)
{
	return 0x1000;
}

enum fault_result mmu_fault(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u32 access)
{
	world_faults++;
	return world_fault;
}

static bool world_hw_log;
static u64 world_written;	/* sum of what mmu_mark_written() was told */

bool mmu_hw_logs(const struct mmu *mmu)
{
	return world_hw_log;
}

void mmu_mark_written(struct mmu *mmu, const u64 *gpas, u32 n)
{
	/* Whoever asks for the log waits for the mode to change. */
	SHIM_ASSERT(irqs_disabled());
	while (n--)
		world_written += gpas[n];
}

void mmu_drop_apic_page(struct mmu *mmu)
{
	mmu->apic_page = 0;
}

bool mmu_fault_written(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u32 access)
{
	return false;
}

bool mmu_fault_fast(struct mmu *mmu, struct vcpu *vcpu, gpa_t gpa, u32 access)
{
	return world_fast_fault;
}

/* ------------------------------------------------------------------ the VM */

#define RAM_BYTES	0x100000ul
#define MMIO_GPA	0xd0000000ul

static struct vm_x86 *W;
static struct vcpu_x86 *V;		/* vCPU 0 */
static struct kvm_run *R;
static u8 *ram;

static void world_memory(void)
{
	struct kvm_userspace_memory_region mem = { .memory_size = RAM_BYTES };
	struct memslot_update up;

	ram = aligned_alloc(4096, RAM_BYTES);
	memset(ram, 0, RAM_BYTES);
	mem.userspace_addr = (unsigned long)ram;
	mutex_lock(&W->vm.slots_lock);
	CHECK_EQ(memslot_prepare(&W->vm, &mem, &up), 0);
	memslot_publish(&W->vm, &up);
	memslot_finish(&W->vm, &up);
	mutex_unlock(&W->vm.slots_lock);
}

static struct vcpu_x86 *world_vcpu(u32 id)
{
	struct vcpu *vcpu = vcpu_x86_create(&W->vm, id);

	CHECK(!IS_ERR(vcpu));
	vcpu->index = atomic_read(&W->vm.nr_vcpus);
	CHECK_EQ(xa_err(xa_store(&W->vm.vcpus, vcpu->index, vcpu, GFP_KERNEL)), 0);
	atomic_inc(&W->vm.nr_vcpus);
	vcpu->task = current;
	vcpu_load_cpu(vcpu, 0, SCHED_IOCTL);
	return to_x86(vcpu);
}

/* @irqchip: with an in-kernel irqchip. */
static void world_make(enum irqchip_mode irqchip)
{
	CHECK_EQ(core_setup(), 0);
	CHECK_EQ(irqchip_setup(), 0);
	msr_setup();
	W = calloc(1, vm_x86_size());
	CHECK_EQ(vm_x86_init(W, 0), 0);
	world_memory();
	mutex_lock(&W->vm.lock);
	if (irqchip == IRQCHIP_KERNEL) {
		CHECK_EQ(irqchip_create(&W->irqchip, &W->vm), 0);
		irqchip_publish(&W->irqchip);
	} else if (irqchip == IRQCHIP_SPLIT) {
		CHECK_EQ(irqchip_create_split(&W->irqchip, &W->vm, 24), 0);
	}
	mutex_unlock(&W->vm.lock);
	V = world_vcpu(0);
	R = V->vcpu.run;
	hw_caps.nrips = true;
	hw_caps.decode_assists = false;
	world_fault = FAULT_MMIO;
	world_fast_fault = false;
}

static void world_end(void)
{
	struct vcpu *vcpu;
	unsigned long i;

	vm_for_each_vcpu(i, vcpu, &W->vm)
		vcpu_put_cpu(vcpu, SCHED_IOCTL);
	vm_x86_destroy(W);
	irqchip_teardown();
	core_teardown();
	free(ram);
	free(W);
	current->signal = false;
	current->tif = 0;
}

/* ------------------------------------------------------------------ modes */

static void world_segment(int which, u64 base, u8 type, bool l, u8 dpl)
{
	struct kvm_segment s = { .base = base, .limit = 0xffffffff, .type = type, .present = 1, .s = 1, .l = l, .db = !l, .g = 1,
		.dpl = dpl, .selector = 0x8 + dpl };

	hw_set_segment(&V->hw, which, &s);
}

/* 64-bit mode without a care for page tables: paging is on, and identity-mapped by a table at 0x1000 (1 GiB page). */
static void world_long_mode(void)
{
	*(u64 *)(ram + 0x1000) = 0x2000 | 7;
	*(u64 *)(ram + 0x2000) = 0x0 | 0x80 | 7;
	*(u64 *)(ram + 0x2018) = 0xc0000000 | 0x80 | 7;		/* and the gigabyte of MMIO_GPA */
	V->hw.cr0 = 0x80050033;
	V->hw.cr3 = 0x1000;
	V->hw.cr4 = 0x20;
	V->hw.efer = 0xd00;
	world_segment(SEG_CS, 0, 11, true, 0);
	world_segment(SEG_SS, 0, 3, false, 0);
	world_segment(SEG_DS, 0, 3, false, 0);
	world_segment(SEG_ES, 0, 3, false, 0);
	V->hw.rflags = 2;
	V->hw.rip = 0x8000;
	V->maxphyaddr = 40;
}

static void world_code(const void *bytes, size_t len)
{
	memcpy(ram + 0x8000, bytes, len);
	V->hw.rip = 0x8000;
}

#define CODE(...) do { static const u8 _code[] = { __VA_ARGS__ }; world_code(_code, sizeof(_code)); } while (0)

/* ------------------------------------------------------------------ the script */

struct world_step {
	struct hw_exit exit;
	void (*before)(struct hw_vcpu *hw, const struct hw_event *delivered);	/* while "the guest runs" */
};

static struct world_step world_steps[64];
static unsigned int world_nr_steps, world_at;
static struct hw_event world_delivered[64];

static struct hw_exit world_script(struct hw_vcpu *hw, const struct hw_event *delivered)
{
	struct world_step *s;

	/* What every entry relies on. */
	CHECK(irqs_disabled());
	/* Kicked since the turn began: the IPI is there, and ends the entry before the guest's first instruction. */
	if (V->vcpu.mode == EXITING_GUEST_MODE) {
		CHECK_EQ(delivered->kind, EVENT_NONE);
		return (struct hw_exit) { .kind = EXIT_INTR };
	}
	CHECK_EQ(V->vcpu.mode, IN_GUEST_MODE);
	world_delivered[world_at] = *delivered;
	if (world_at >= world_nr_steps) {
		current->signal = true;		/* the end: KVM_RUN returns -EINTR */
		world_at++;
		return (struct hw_exit) { .kind = EXIT_INTR };
	}
	s = &world_steps[world_at++];
	if (s->before)
		s->before(hw, delivered);
	return s->exit;
}

static void step_before(struct hw_exit exit, void (*before)(struct hw_vcpu *, const struct hw_event *))
{
	world_steps[world_nr_steps++] = (struct world_step) { exit, before };
}

static void step(struct hw_exit exit)
{
	step_before(exit, NULL);
}

#define EXIT(KIND, LEN, ...) ((struct hw_exit) { .kind = KIND, .insn_len = LEN, ##__VA_ARGS__ })

static const struct vcpu_stats *stats(void)
{
	vcpu_update_stats(&V->vcpu);
	return &V->vcpu.stats;
}

/* Run what was scripted. The script is empty afterwards. */
static int run(void)
{
	int r;

	world_at = 0;
	V->hw.script = world_script;
	memset(world_delivered, 0, sizeof(world_delivered));
	mutex_lock(&V->vcpu.mutex);
	r = vcpu_run(V);
	mutex_unlock(&V->vcpu.mutex);
	world_nr_steps = 0;
	current->signal = false;
	return r;
}

/* All steps ran and the end was reached. */
#define CHECK_RAN(n) do { CHECK_EQ(run(), -EINTR); CHECK_EQ(world_at, (n) + 1); } while (0)

#endif
