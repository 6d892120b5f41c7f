// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_XSAVE, KVM_SET_XSAVE and KVM_GET_XSAVE2: round trip, the guest's view, refused headers
 * that change nothing.
 */
#include "lib/api.h"

#define DATA	0x50000
#define XSTATE_BV	(512 / 4)	/* index of 32-bit words in the area */
#define XCOMP_BV	(520 / 4)

GUEST64(guest, movups %xmm1, DATA; mov $0x77, %eax; movd %eax, %xmm2; hlt);

static void bad(struct vcpu *v, const char *name, struct kvm_xsave *x)
{
	struct kvm_xsave before, after;

	must_ioctl(v->fd, KVM_GET_XSAVE, &before);
	see_result(name, ioctl(v->fd, KVM_SET_XSAVE, x));
	must_ioctl(v->fd, KVM_GET_XSAVE, &after);
	check(memcmp(&before, &after, sizeof(after)) == 0);
}

void test(void)
{
	struct kvm_xsave x, y;
	u8 *big;
	int size;
	struct vm vm;
	struct vcpu *v;

	vm_init(&vm);
	need_cap(&vm, KVM_CAP_XSAVE);
	v = vcpu_create(&vm, 0);
	vcpu_long(v, guest);
	memset(&x, 0xaa, sizeof(x));
	see_ioctl(v->fd, KVM_GET_XSAVE, &x);
	see("reset: fcw=0x%x mxcsr=0x%x xstate_bv=0x%x%08x xcomp_bv=0x%x", x.region[0] & 0xffff, x.region[6],
	    x.region[XSTATE_BV + 1], x.region[XSTATE_BV], x.region[XCOMP_BV]);
	x.region[XSTATE_BV] |= 3;
	x.region[0] = 0x37f;
	x.region[6] = 0x1f80;
	memset(&x.region[(160 + 16) / 4], 0x5a, 16);		/* xmm1 */
	see_ioctl(v->fd, KVM_SET_XSAVE, &x);
	check_eq(see_guest(v), KVM_EXIT_HLT);
	see_bytes("the guest's xmm1", gpa_ptr(&vm, DATA), 16);
	must_ioctl(v->fd, KVM_GET_XSAVE, &x);
	see_bytes("xmm1", &x.region[(160 + 16) / 4], 16);
	see_bytes("xmm2", &x.region[(160 + 32) / 4], 16);
	y = x;
	y.region[XSTATE_BV] |= 1u << 30;
	bad(v, "component that does not exist", &y);
	y = x;
	y.region[6] |= 0x80000000;
	bad(v, "reserved bit of MXCSR", &y);
	y = x;
	y.region[XCOMP_BV + 1] |= 0x80000000;
	bad(v, "compacted format", &y);
	see_result("bad address", ioctl(v->fd, KVM_SET_XSAVE, 8));

	size = vm_cap(&vm, KVM_CAP_XSAVE2);
	see("KVM_CAP_XSAVE2 is %s", size >= 4096 ? "a size" : "absent");
	if (size < 4096)
		return;
	big = calloc(1, size);
	see_ioctl(v->fd, KVM_GET_XSAVE2, big);
	check(memcmp(big, &x, sizeof(x)) == 0);
}
