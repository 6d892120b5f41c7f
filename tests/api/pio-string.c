// SPDX-License-Identifier: GPL-2.0-only
/*
 * INS and OUTS of every size, single and repeated, both directions, real and long mode. How many elements an exit carries
 * is KVM's choice, so the transcript has the bytes of a run of exits to the same port.
 */
#include "lib/api.h"

#define SRC	0x41000
#define DST	0x42000

GUEST64(outs,
	cld;
	mov $SRC, %esi; mov $0x100, %edx;
	outsb; outsw; outsl;
	mov $0x101, %edx; mov $5, %ecx; rep outsb;
	mov $0x102, %edx; mov $3, %ecx; rep outsw;
	mov $0x103, %edx; mov $2, %ecx; rep outsl;
	mov $0x104, %edx; mov $0, %ecx; rep outsl;
	std;
	mov $0x105, %edx; mov $4, %ecx; rep outsw;
	cld;
	hlt);
GUEST64(ins,
	cld;
	mov $DST, %edi; mov $0x100, %edx;
	insb; insw; insl;
	mov $0x101, %edx; mov $5, %ecx; rep insb;
	mov $0x102, %edx; mov $3, %ecx; rep insw;
	mov $0x103, %edx; mov $2, %ecx; rep insl;
	mov $0x104, %edx; mov $0, %ecx; rep insl;
	std;
	mov $DST + 0x40, %edi;
	mov $0x105, %edx; mov $4, %ecx; rep insw;
	cld;
	hlt);
GUEST64(long_out,
	cld; mov $SRC, %esi; mov $0x110, %edx; mov $3000, %ecx; rep outsl; hlt);
GUEST64(long_in,
	cld; mov $SRC, %edi; mov $0x110, %edx; mov $3000, %ecx; rep insl; hlt);
/* 16-bit addresses: SI and DI wrap, the upper half of ECX does not count. */
GUEST16(real,
	cld;
	mov $0x4000, %ax; mov %ax, %ds; mov %ax, %es;
	mov $0x1000, %si; mov $0x200, %dx; mov $0x00010004, %ecx; rep outsb;
	mov $0x2000, %di; mov $0x201, %dx; mov $4, %cx; rep insb;
	mov $0x5000, %ax; mov %ax, %fs;
	mov $0, %si; mov $0x202, %dx; mov $2, %cx; rep outsw %fs:(%si), %dx;
	hlt);

static u8 stream[0x10000];
static size_t nstream;
static int stream_port = -1, stream_size;

static void flush(const char *dir)
{
	u32 sum = 0;

	if (stream_port < 0)
		return;
	if (nstream <= 32) {
		printf("%s port=0x%x size=%d", dir, stream_port, stream_size);
		see_bytes("", stream, nstream);
	} else {
		for (size_t i = 0; i < nstream; i++)
			sum = sum * 31 + stream[i];
		see("%s port=0x%x size=%d %zu bytes, sum 0x%x", dir, stream_port, stream_size, nstream, sum);
	}
	stream_port = -1;
	nstream = 0;
}

static void run(const char *name, void (*mode)(struct vcpu *, const char *), const char *entry)
{
	const char *dir = "out";
	static u8 next;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	mode(v, entry);
	for (int i = 0; i < 0x4000; i++)
		vm.mem[SRC + i] = i * 7 + 1;
	for (int i = 0; i < 0x100; i++)
		vm.mem[0x50000 + i] = 0xf0 + i;
	see("%s:", name);
	next = 0;
	while (vcpu_run(v) == 0 && v->run->exit_reason == KVM_EXIT_IO) {
		u8 *p = (u8 *)v->run + v->run->io.data_offset;
		size_t n = (size_t)v->run->io.size * v->run->io.count;
		const char *d = v->run->io.direction == KVM_EXIT_IO_OUT ? "out" : "in";

		if (v->run->io.port != stream_port || v->run->io.size != stream_size || d != dir)
			flush(dir);
		dir = d;
		stream_port = v->run->io.port;
		stream_size = v->run->io.size;
		if (v->run->io.direction == KVM_EXIT_IO_IN) {
			for (size_t i = 0; i < n; i++)
				p[i] = ++next;
		}
		must(nstream + n <= sizeof(stream));
		memcpy(stream + nstream, p, n);
		nstream += n;
	}
	flush(dir);
	see_exit(v);
	check_eq(v->run->exit_reason, KVM_EXIT_HLT);
	see_regs(v, "rip rsi rdi rcx");
	see_bytes("memory", vm.mem + DST, 0x50);
	vm_destroy(&vm);
}

void test(void)
{
	run("outs", vcpu_long, outs);
	run("ins", vcpu_long, ins);
	run("outs of three pages", vcpu_long, long_out);
	run("ins of three pages", vcpu_long, long_in);
	run("real mode", vcpu_real, real);
}
