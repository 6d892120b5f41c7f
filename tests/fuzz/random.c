// SPDX-License-Identifier: GPL-2.0-only
/* Random values with a liking for those at which something ends. */
#include "fuzz.h"

/* splitmix64: any seed will do, and the same seed gives the same values. */
u64 rnd(struct fuzzer *f)
{
	u64 z = f->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

u32 below(struct fuzzer *f, u32 n)
{
	return (rnd(f) >> 32) * n >> 32;
}

bool chance(struct fuzzer *f, u32 percent)
{
	return below(f, 100) < percent;
}

u64 odd_value(struct fuzzer *f)
{
	switch (below(f, 8)) {
	case 0:
		return below(f, 4);
	case 1:
		return -1ull - below(f, 3);
	case 2:
		return 1ull << below(f, 64);
	case 3:
		return (1ull << below(f, 64)) - 1;
	case 4:
		return ~(1ull << below(f, 64));
	case 5:
		return rnd(f) & 0xff;
	case 6:
		return rnd(f) & 0xfffff000;
	default:
		return rnd(f);
	}
}

u64 any_gpa(struct fuzzer *f)
{
	static const u64 places[] = { 0, CODE_GPA, TABLES_GPA, 0xa0000, 0xd0000000, 0xfec00000, 0xfee00000, 0xfffff000, 1ull << 32, 1ull << 40 };

	if (chance(f, 10))
		return odd_value(f);
	if (chance(f, 60))
		return rnd(f) % RAM_SIZE & (chance(f, 70) ? ~0xfffull : ~0ull);
	return places[below(f, ARRAY_SIZE(places))] + (chance(f, 50) ? below(f, PAGE_SIZE) : 0);
}

void fill_random(struct fuzzer *f, void *p, size_t n)
{
	u8 *bytes = p;
	size_t i;

	for (i = 0; i < n; i += 8) {
		u64 value = rnd(f);

		memcpy(bytes + i, &value, n - i < 8 ? n - i : 8);
	}
}

void mutate(struct fuzzer *f, void *p, size_t n)
{
	u32 times = 1 + below(f, 3);

	while (times--) {
		size_t width = 1u << below(f, 4);
		u64 value = odd_value(f);

		if (width > n)
			width = 1;
		memcpy((u8 *)p + below(f, n / width) * width, &value, width);
	}
}
