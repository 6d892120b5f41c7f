// SPDX-License-Identifier: GPL-2.0-only
/* Lengths: of every instruction that may have to be skipped, and of whole programs as objdump sees them. */
#include <unistd.h>
#include "emu_world.h"

static int length_of(enum emu_mode mode, const void *bytes, size_t n)
{
	world_mode(mode);
	memcpy((void *)code_address(), bytes, n);
	emu_begin(E);
	return emu_insn_length(E);
}

TEST(intercepted_instructions)
{
	static const struct { char bytes[8]; int len; } rows[] = {
		{ "\x0f\xa2", 2 }, { "\x0f\x32", 2 }, { "\x0f\x30", 2 }, { "\xf4", 1 }, { "\x0f\x31", 2 }, { "\x0f\x01\xf9", 3 }, { "\x0f\x33", 2 },
		{ "\xe4\x70", 2 }, { "\xec", 1 }, { "\x66\xef", 2 }, { "\x67\xe5\x10", 3 }, { "\xf3\x6c", 2 }, { "\x66\xf3\x6f", 3 }, { "\x2e\x66\xf3\x6f", 4 },
		{ "\x0f\x01\xd9", 3 }, { "\x0f\x01\xc1", 3 }, { "\x0f\x01\xd1", 3 }, { "\x0f\x01\xd0", 3 },
		{ "\x0f\x20\xc0", 3 }, { "\x0f\x22\xd8", 3 }, { "\x0f\x20\x00", 3 }, { "\xf0\x0f\x20\xc0", 4 }, { "\x0f\x21\xc0", 3 }, { "\x0f\x23\x3f", 3 },
		{ "\x0f\x08", 2 }, { "\x0f\x09", 2 }, { "\xf3\x90", 2 }, { "\x90", 1 }, { "\x0f\x06", 2 }, { "\x0f\x01\xf0", 3 },
		{ "\x0f\x01\x38", 3 }, { "\x0f\x01\xc8", 3 }, { "\x0f\x01\xc9", 3 }, { "\x0f\x01\xda", 3 }, { "\x0f\x01\xdd", 3 },
		{ "\x0f\xaa", 2 }, { "\xcd\x80", 2 }, { "\xcc", 1 }, { "\xcf", 1 }, { "\x0f\x05", 2 },
		{ "\x66\x0f\x38\x82\x00", -EINVAL }, { "\xc5\xf8\x77", -EINVAL },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(length_of(EMU_PROT32, rows[i].bytes, 8), rows[i].len);
	CHECK_EQ(length_of(EMU_PROT64, "\x44\x0f\x20\xc0", 4), 4);
	CHECK_EQ(length_of(EMU_PROT64, "\x48\x0f\x01\xd9", 4), 4);
}

TEST(lengths_by_mode)
{
	CHECK_EQ(length_of(EMU_PROT32, "\xb8\x00\x00\x00\x00", 5), 5);
	CHECK_EQ(length_of(EMU_PROT16, "\xb8\x00\x00\x00\x00", 5), 3);
	CHECK_EQ(length_of(EMU_REAL, "\x66\xb8\x00\x00\x00\x00", 6), 6);
	CHECK_EQ(length_of(EMU_PROT64, "\x48\xb8\0\0\0\0\0\0\0\0", 10), 10);
	CHECK_EQ(length_of(EMU_PROT64, "\xa1\0\0\0\0\0\0\0\0", 9), 9);
	CHECK_EQ(length_of(EMU_PROT64, "\x67\xa1\0\0\0\0", 6), 6);
	CHECK_EQ(length_of(EMU_PROT32, "\x67\xa1\0\0", 4), 4);
	CHECK_EQ(length_of(EMU_PROT32, "\x9a\0\0\0\0\0\0", 7), 7);
	CHECK_EQ(length_of(EMU_REAL, "\x9a\0\0\0\0", 5), 5);
	CHECK_EQ(length_of(EMU_PROT32, "\xc8\0\0\0", 4), 4);
	CHECK_EQ(length_of(EMU_PROT64, "\x48\xc7\x84\x24\0\0\0\0\0\0\0\0", 12), 12);
	CHECK_EQ(length_of(EMU_PROT64, "\x40\x66\x89\x07", 4), 4);
	world_mode(EMU_PROT64);
	E->rip = HOLE;
	emu_begin(E);
	CHECK_EQ(emu_insn_length(E), -EFAULT);
	E->rip = 1ull << 50;
	emu_begin(E);
	CHECK_EQ(emu_insn_length(E), -EINVAL);
}

/* ---- objdump */

static unsigned long compared, unknown, wrong;

static bool is_prefix_line(const char *text)
{
	static const char *const alone[] = { "(bad)", "data16", "addr32", "addr16", "rex", "lock", "rep", "repz", "repnz", "cs", "ds", "es", "ss", "fs", "gs", "data32", "fwait", "notrack", "bnd", ".byte", "xacquire", "xrelease", "nop" };
	size_t n = strcspn(text, " \t\n");

	for (unsigned int i = 0; i < ARRAY_SIZE(alone); i++)
		if (n == strlen(alone[i]) && !memcmp(text, alone[i], n))
			return true;
	/* Redundant prefixes are shown as words of their own, sometimes as instructions of their own. */
	return strstr(text, "(bad)") || strstr(text, "rex.") || strstr(text, "data16") || strstr(text, "addr") || strstr(text, "lock ") || strstr(text, "xacquire");
}

static void compare_line(enum emu_mode mode, char *line)
{
	u8 bytes[16];
	int n = 0, len;
	char *p = strchr(line, ':'), *text;

	if (!p || p[1] != '\t')
		return;
	p += 2;
	text = strchr(p, '\t');
	if (!text)
		return;
	*text++ = 0;
	for (; n < 16 && sscanf(p, "%hhx", &bytes[n]) == 1; n++)
		p += 3;
	/* objdump takes FWAIT and the x87 instruction behind it for one. */
	if (!n || n > 15 || (bytes[0] == 0x9b && n > 1) || is_prefix_line(text))
		return;
	len = length_of(mode, bytes, n);
	if (len < 0) {
		unknown++;
		return;
	}
	compared++;
	if (len != n && wrong++ < 20)
		printf("# %d bytes, not %d: %s %s", len, n, line, text);
}

static void compare_with(enum emu_mode mode, const char *command)
{
	FILE *f = popen(command, "r");
	char line[512];

	SHIM_ASSERT(f);
	compared = unknown = wrong = 0;
	while (fgets(line, sizeof(line), f))
		compare_line(mode, line);
	pclose(f);
	printf("# %lu lengths compared, %lu not known\n", compared, unknown);
	CHECK_EQ(wrong, 0);
	CHECK(compared > 5000);
}

TEST(as_objdump_sees_this_program)
{
	char command[256];

	snprintf(command, sizeof(command), "objdump -dw --insn-width=16 /proc/%d/exe", getpid());
	compare_with(EMU_PROT64, command);
	CHECK(unknown * 10 < compared);
}

/* Random bytes have everything that no compiler would write. */
static void compare_random(enum emu_mode mode, const char *machine)
{
	char name[] = "/tmp/kvmono-decode-XXXXXX", command[256];
	int fd = mkstemp(name);
	u64 x = 88172645463325252ull;

	SHIM_ASSERT(fd >= 0);
	for (int i = 0; i < 16384; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		SHIM_ASSERT(write(fd, &x, 8) == 8);
	}
	close(fd);
	snprintf(command, sizeof(command), "objdump -b binary -m %s -Dw --insn-width=16 %s", machine, name);
	compare_with(mode, command);
	unlink(name);
}

TEST(random_bytes_64)
{
	compare_random(EMU_PROT64, "i386:x86-64");
}

TEST(random_bytes_32)
{
	compare_random(EMU_PROT32, "i386");
}

TEST(random_bytes_16)
{
	compare_random(EMU_PROT16, "i8086");
}
