// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host asks which pages a guest uses, as it does before it takes some away: DAMON, the kernel's own measure, sees those that the
 * guest goes on to use, and not those that it used once. Pages of 4 KB and of 2 MB.
 */
#include <stdarg.h>
#include "lib/api.h"

#define DAMON		"/sys/kernel/mm/damon/admin/kdamonds/"
#define CONTEXT		"0/contexts/0/"
#define SAMPLE_US	10000
#define SAMPLES		10

#define SMALL	0x10000000
#define HUGE	0x20000000
#define ONCE	0x40000000	/* the same, used once */
#define STOP	0x51000
#define PAGES	64
#define SIZE_2M	0x200000

/* What the TLB knows would not set a bit again. */
#define TOUCH(address)	incl (address); invlpg (address)
#define TOUCH_ALL(from)	mov $from + SMALL, %esi; mov $PAGES, %ecx; \
	1: TOUCH(%rsi); add $PAGE_SIZE, %rsi; dec %ecx; jnz 1b; \
	mov $from + HUGE, %esi; TOUCH(%rsi)
GUEST64(guest,
	sti;				/* or Bochs takes no interrupt of the host's */
	TOUCH_ALL(ONCE);
	2: TOUCH_ALL(0);
	cmpl $0, STOP; je 2b; DONE);

static const struct area {
	const char *name;
	u64 gpa, size;
	int advice;
} areas[] = {
	{ "4 KB, in use", SMALL, PAGES * PAGE_SIZE, MADV_NOHUGEPAGE },
	{ "2 MB, in use", HUGE, SIZE_2M, MADV_HUGEPAGE },
	{ "4 KB, used once", ONCE + SMALL, PAGES * PAGE_SIZE, MADV_NOHUGEPAGE },
	{ "2 MB, used once", ONCE + HUGE, SIZE_2M, MADV_HUGEPAGE },
};

static u8 *memory[ARRAY_SIZE(areas)];
static struct vm vm;

static void put(const char *name, const char *fmt, ...)
{
	char path[256];
	va_list ap;
	FILE *f;

	snprintf(path, sizeof(path), DAMON "%s", name);
	f = fopen(path, "w");
	must(f);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	if (fclose(f))
		stop_at(path, errno, fmt);
}

/* A number that DAMON says of the n-th stretch that it found, or -1. */
static long long found(int n, const char *what)
{
	unsigned long long value;
	char path[256];
	bool read;
	FILE *f;

	snprintf(path, sizeof(path), DAMON CONTEXT "schemes/0/tried_regions/%d/%s", n, what);
	f = fopen(path, "r");
	if (!f)
		return -1;
	read = fscanf(f, "%llu", &value) == 1;
	fclose(f);
	return read ? (long long)value : -1;
}

static void map_areas(void)
{
	/* Each begins at a large page, with another one's worth of nothing behind it. */
	u8 *map = mmap(NULL, (2 * ARRAY_SIZE(areas) + 1) * SIZE_2M, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u8 *first = (u8 *)(((uintptr_t)map + SIZE_2M - 1) & -(uintptr_t)SIZE_2M);

	must(map != MAP_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		memory[i] = first + 2 * i * SIZE_2M;
		must(mprotect(memory[i], areas[i].size, PROT_READ | PROT_WRITE) == 0);
		must(madvise(memory[i], areas[i].size, areas[i].advice) == 0);
		memset(memory[i], 0, areas[i].size);
		must(vm_slot(&vm, i + 1, 0, areas[i].gpa, areas[i].size, memory[i]) == 0);
	}
}

/* DAMON looks at the areas, and tells of all of them. */
static void watch(void)
{
	static const char *const maxima[] = { "sz", "nr_accesses", "age" };
	char name[160];

	put("nr_kdamonds", "1");
	put("0/contexts/nr_contexts", "1");
	put(CONTEXT "operations", "fvaddr");
	put(CONTEXT "monitoring_attrs/intervals/sample_us", "%d", SAMPLE_US);
	put(CONTEXT "monitoring_attrs/intervals/aggr_us", "%d", SAMPLE_US * SAMPLES);
	put(CONTEXT "targets/nr_targets", "1");
	put(CONTEXT "targets/0/pid_target", "%d", getpid());
	put(CONTEXT "targets/0/regions/nr_regions", "%zu", ARRAY_SIZE(areas));
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		snprintf(name, sizeof(name), CONTEXT "targets/0/regions/%zu/start", i);
		put(name, "%lu", (unsigned long)memory[i]);
		snprintf(name, sizeof(name), CONTEXT "targets/0/regions/%zu/end", i);
		put(name, "%lu", (unsigned long)(memory[i] + areas[i].size));
	}
	put(CONTEXT "schemes/nr_schemes", "1");
	put(CONTEXT "schemes/0/action", "stat");
	for (size_t i = 0; i < ARRAY_SIZE(maxima); i++) {
		snprintf(name, sizeof(name), CONTEXT "schemes/0/access_pattern/%s/max", maxima[i]);
		put(name, "%lu", i ? 0xfffffffful : ~0ul);
	}
	put("0/state", "on");
}

/* In how many samples, at most and at least, stretches of the area had been used. */
static void see_use(int i)
{
	long long most = -1, least = SAMPLES, uses, start;

	for (int n = 0; (start = found(n, "start")) >= 0; n++) {
		if ((u8 *)start < memory[i] || (u8 *)start >= memory[i] + areas[i].size)
			continue;
		uses = found(n, "nr_accesses");
		most = uses > most ? uses : most;
		least = uses < least ? uses : least;
	}
	see("%s: %s", areas[i].name, most == 0 ? "idle" : least > 0 ? "used" : "here used, there idle");
	check(areas[i].gpa < ONCE ? least > 0 : most == 0);
}

void test(void)
{
	struct vcpu *v;

	if (access(DAMON, F_OK))
		skip("no DAMON in this kernel");
	vm_init(&vm);
	v = vcpu_create(&vm, 0);
	map_areas();
	vcpu_long(v, guest);
	vcpu_go_thread(v);
	watch();
	/* The first time may be in the middle of its counting. */
	for (int i = 0; i < 2; i++)
		put("0/state", "update_schemes_tried_regions");
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++)
		see_use(i);
	put("0/state", "off");
	put("nr_kdamonds", "0");
	*(volatile u32 *)gpa_ptr(&vm, STOP) = 1;
	check_eq(vcpu_join(v), GO_DONE);
}
