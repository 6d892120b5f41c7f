/* SPDX-License-Identifier: GPL-2.0-only */
/* From 6.13 on a timer gets its function when it is set up. */
#include <linux/hrtimer.h>

void probe(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *))
{
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
}
