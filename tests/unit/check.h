/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A test program is one *_test.c: #include "check.h", the sources under test, and TEST(name) { CHECK(...); } as often as wanted.
 * main() is here: it runs all of them in order (or those named as arguments) and prints TAP. A failed CHECK ends its TEST only.
 */
#ifndef UNIT_CHECK_H
#define UNIT_CHECK_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kshim/kshim.h"

struct unit_test {
	const char *name;
	void (*run)(void);
	struct unit_test *next;
};

static struct unit_test *unit_tests, **unit_tail = &unit_tests;
static jmp_buf unit_failed;
static unsigned long unit_checks __maybe_unused;

#define TEST(NAME) \
	static void test_##NAME(void); \
	static struct unit_test unit_##NAME = { #NAME, test_##NAME, NULL }; \
	static void __attribute__((constructor)) register_##NAME(void) { *unit_tail = &unit_##NAME; unit_tail = &unit_##NAME.next; } \
	static void test_##NAME(void)

/* Fail this TEST now, with a line of why. */
#define FAIL(...) do { \
	printf("# %s:%d: ", __FILE__, __LINE__); printf(__VA_ARGS__); putchar('\n'); longjmp(unit_failed, 1); \
} while (0)

#define CHECK(c) do { unit_checks++; if (!(c)) FAIL("%s", #c); } while (0)
/* Both as numbers. */
#define CHECK_EQ(a, b) do { \
	unsigned long long _cha = (unsigned long long)(a), _chb = (unsigned long long)(b); unit_checks++; \
	if (_cha != _chb) FAIL("%s is %#llx, not %s = %#llx", #a, _cha, #b, _chb); \
} while (0)
#define CHECK_MEM(a, b, n) do { unit_checks++; if (memcmp(a, b, n)) FAIL("%s differs from %s", #a, #b); } while (0)

static bool unit_wanted(const char *name, int argc, char **argv)
{
	if (argc < 2)
		return true;
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return false;
}

#ifndef UNIT_NO_MAIN
int main(int argc, char **argv)
{
	static int n, failures;		/* static: longjmp keeps them */
	static struct unit_test *t;
	static bool ok;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (t = unit_tests; t; t = t->next) {
		ok = false;
		if (!unit_wanted(t->name, argc, argv))
			continue;
		if (!setjmp(unit_failed)) {
			t->run();
			ok = true;
		}
		/* Locks left behind by one test would only confuse the next. */
		if (ok && (shim_ctx.spinlocks || shim_ctx.preempt || shim_ctx.irq_off || shim_ctx.rcu || shim_ctx.srcu)) {
			printf("# ends with locks held or interrupts off\n");
			ok = false;
		}
		memset(&shim_ctx, 0, offsetof(struct shim_context, reader));
		shim_reader_update();
		shim_fail_alloc = shim_fail_uaccess = 0;
		shim_warn_ok = 0;
		failures += !ok;
		printf("%s %d - %s\n", ok ? "ok" : "not ok", ++n, t->name);
	}
	printf("1..%d\n# %lu checks\n", n, unit_checks);
	return failures || !n;
}
#endif

#endif
