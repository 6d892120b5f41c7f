// SPDX-License-Identifier: GPL-2.0-only
/*
 * What cannot be emulated on MMIO, and code that is not in memory, end in KVM_EXIT_INTERNAL_ERROR;
 * RIP stays.
 */
#include "lib/api.h"

GUEST64(fxsave_mmio, mov $MMIO_BASE, %ebx; insn1: fxsave (%rbx); DONE);
GUEST64(crc32_mmio, mov $MMIO_BASE, %ebx; insn2: crc32l (%rbx), %eax; DONE);
GUEST64(pshufb_mmio, mov $MMIO_BASE, %ebx; insn3: pshufb (%rbx), %xmm0; DONE);
GUEST64(jump_mmio, mov $MMIO_BASE, %eax; jmp *%rax);
extern const char insn1[], insn2[], insn3[];

static struct vm vm;

static void run(const char *name, const char *entry, u64 rip)
{
	struct vcpu *v = &vm.vcpu[0];
	struct kvm_regs r;
	int ret;

	vcpu_long(v, entry);
	see("-- %s", name);
	ret = see_guest(v);
	check_eq(ret, KVM_EXIT_INTERNAL_ERROR);
	get_regs(v, &r);
	see("RIP at the instruction: %s", r.rip == rip ? "yes" : "no");
	if (ret == KVM_EXIT_INTERNAL_ERROR && v->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	    v->run->emulation_failure.ndata >= 1)
		see("flags=0x%llx", v->run->emulation_failure.flags);
	if (v->run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)
		check(memcmp(v->run->emulation_failure.insn_bytes, gpa_ptr(&vm, rip), 3) == 0);
}

void test(void)
{
	vm_init(&vm);
	need_cap(&vm, KVM_CAP_INTERNAL_ERROR_DATA);
	vcpu_create(&vm, 0);
	run("FXSAVE", fxsave_mmio, (uintptr_t)insn1);
	run("CRC32", crc32_mmio, (uintptr_t)insn2);
	run("PSHUFB", pshufb_mmio, (uintptr_t)insn3);
	see("-- a jump to MMIO");
	vcpu_long(&vm.vcpu[0], jump_mmio);
	see_guest(&vm.vcpu[0]);
	see_regs(&vm.vcpu[0], "rip");
}
