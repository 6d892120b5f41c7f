/* SPDX-License-Identifier: GPL-2.0-only */
/* From 6.12 on: a task whose dequeueing is delayed is on its run queue, and doesn't run. */
#include <linux/sched.h>

bool probe(struct task_struct *task)
{
	return task_is_runnable(task);
}
