// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page whose memory is broken (MADV_HWPOISON): the VMM gets SIGBUS with the address when the guest touches it, and only that page is lost. A page
 * that is taken out of use in time (MADV_SOFT_OFFLINE) keeps what it holds.
 */
#include "lib/api.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

#define A	0x40000000u
#define PAGES	8u
#define SIZE	(PAGES * PAGE_SIZE)
#define BAD	3u

GUEST64(reader, mov %edi, %ebx; mov (%rbx), %eax; REPORT_EAX; DONE);
GUEST64(writer, mov %edi, %ebx; movl $0x600d, (%rbx); mov (%rbx), %eax; REPORT_EAX; DONE);

static struct vm vm;
static struct vcpu *v;
static u8 *mem;
static volatile int signals, code, page, shift;

static void bus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	signals++;
	code = info->si_code;
	page = ((u8 *)info->si_addr - mem) / PAGE_SIZE;
	shift = info->si_addr_lsb;
}

static void see_signals(void)
{
	if (signals)
		see("%d SIGBUS, %s, page %d, of 2^%d bytes", signals,
		    code == BUS_MCEERR_AR ? "BUS_MCEERR_AR" : code == BUS_MCEERR_AO ? "BUS_MCEERR_AO" : "another code", page, shift);
	signals = 0;
}

static void run(const char *name, const char *entry, u32 n)
{
	struct kvm_regs r;

	see("-- %s", name);
	vcpu_long(v, entry);
	get_regs(v, &r);
	r.rdi = A + n * PAGE_SIZE;
	set_regs(v, &r);
	see_guest(v);
	see_signals();
}

static void all_others(void)
{
	u32 right = 0;

	for (u32 i = 0; i < PAGES; i++)
		right += i == BAD || *(u32 *)(mem + i * PAGE_SIZE) == 0x100 + i;
	see("%u of %u pages are right", right, PAGES);
}

static void fill(void)
{
	for (u32 i = 0; i < PAGES; i++)
		*(u32 *)(mem + i * PAGE_SIZE) = 0x100 + i;
}

/* Who breaks a page is sent a signal by newer kernels (6.12, not 6.1): that is no matter of KVM's. */
static void broken(const char *touch, u32 n)
{
	see_result(touch, madvise(mem + n * PAGE_SIZE, PAGE_SIZE, MADV_HWPOISON));
	signals = 0;
}

void test(void)
{
	struct sigaction action = { .sa_sigaction = bus, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	fill();
	must(vm_slot(&vm, 1, 0, A, SIZE, mem) == 0);
	run("at first", reader, BAD);
	must(madvise(mem, SIZE, MADV_SOFT_OFFLINE) == 0 || errno == EBUSY);
	run("taken out of use", reader, BAD);
	run("taken out of use, another", reader, 0);
	all_others();
	run("written", writer, BAD);
	broken("MADV_HWPOISON", BAD);
	run("broken, read", reader, BAD);
	run("broken, written", writer, BAD);
	run("its neighbour", reader, BAD + 1);
	all_others();
	must(mmap(mem + BAD * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	run("with new memory", writer, BAD);
	run("with new memory", reader, BAD);
}
