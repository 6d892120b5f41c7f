// SPDX-License-Identifier: GPL-2.0-only
/* The shim itself: what other tests rely on. And every interface header compiles. */
#include "check.h"
#include "core/compat.h"
#include "core/vm.h"
#include "core/ioeventfd.h"
#include "hw/hw.h"
#include "irqchip/irqchip.h"
#include "mmu/mmu.h"
#include "emulate/emulate.h"
#include <asm/svm.h>
#include <asm/msr-index.h>
#include <asm/cpufeatures.h>
#include <asm/pvclock-abi.h>
#include <asm/kvm_para.h>

TEST(xarray)
{
	struct xarray xa;
	unsigned long i;
	long n = 0, v[3];
	void *e;

	xa_init(&xa);
	CHECK(!xa_store(&xa, 7, &v[1], GFP_KERNEL));
	CHECK(!xa_store(&xa, 3, &v[0], GFP_KERNEL));
	CHECK(!xa_store(&xa, 900, &v[2], GFP_KERNEL));
	CHECK_EQ(xa_insert(&xa, 7, v, GFP_KERNEL), -EBUSY);
	xa_for_each(&xa, i, e)
		CHECK(e == &v[n++]);
	CHECK_EQ(n, 3);
	CHECK(xa_erase(&xa, 7) == &v[1]);
	CHECK(!xa_load(&xa, 7));
	xa_destroy(&xa);
}

TEST(interval_tree)
{
	struct rb_root_cached root = RB_ROOT_CACHED;
	struct interval_tree_node n[50], *it;
	int hits = 0;

	for (int i = 0; i < 50; i++) {
		n[i].start = (unsigned long)((i * 37) % 50) * 10;
		n[i].last = n[i].start + 9;
		interval_tree_insert(&n[i], &root);
	}
	for (it = interval_tree_iter_first(&root, 95, 115); it; it = interval_tree_iter_next(it, 95, 115))
		hits++;
	CHECK_EQ(hits, 3);
	for (int i = 0; i < 50; i++) {
		unsigned long last = 0;

		interval_tree_remove(&n[i], &root);
		for (struct rb_node *r = rb_first_cached(&root); r; r = rb_next(r)) {
			CHECK(container_of(r, struct interval_tree_node, rb)->last > last);
			last = container_of(r, struct interval_tree_node, rb)->last;
		}
	}
	CHECK(RB_EMPTY_ROOT(&root.rb_root));
}

struct freed {
	struct rcu_head rcu;
	int *count;
};

static void count_free(struct rcu_head *h)
{
	struct freed *f = container_of(h, struct freed, rcu);

	++*f->count;
	kfree(f);
}

TEST(rcu_frees_after_grace_period)
{
	int count = 0;
	struct freed *f = kmalloc(sizeof(*f), GFP_KERNEL);

	f->count = &count;
	call_rcu(&f->rcu, count_free);
	CHECK_EQ(count, 0);
	synchronize_rcu();
	CHECK_EQ(count, 1);
}

static int ticks;

static enum hrtimer_restart tick(struct hrtimer *t)
{
	CHECK(irqs_disabled());
	hrtimer_forward_now(t, 100);
	return ++ticks == 3 ? HRTIMER_NORESTART : HRTIMER_RESTART;
}

TEST(hrtimer)
{
	struct hrtimer t;

	hrtimer_setup(&t, tick, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	hrtimer_start(&t, 100, HRTIMER_MODE_REL);
	shim_advance(99);
	CHECK_EQ(ticks, 0);
	shim_advance(151);
	CHECK_EQ(ticks, 2);
	shim_advance(1000);
	CHECK_EQ(ticks, 3);
	CHECK(!hrtimer_active(&t));
}

TEST(user_memory)
{
	char page[64] = "hello", copy[64];

	shim_user_add(page, sizeof(page), SHIM_USER_RO);
	CHECK_EQ(copy_from_user(copy, page, 6), 0);
	CHECK_EQ(copy_to_user(page, copy, 6), 6);
	CHECK_EQ(copy_from_user(copy, page + 60, 6), 6);
	shim_user_reset();
	shim_fail_uaccess = 2;
	CHECK_EQ(copy_to_user(page, copy, 6), 0);
	CHECK_EQ(copy_to_user(page, copy, 6), 6);
}

TEST(fault_injection)
{
	void *p;

	shim_fail_alloc = 2;
	p = kmalloc(10, GFP_KERNEL);
	CHECK(p);
	CHECK(!kmalloc(10, GFP_KERNEL));
	kfree(p);
	CHECK_EQ(shim_live, 0);
}
