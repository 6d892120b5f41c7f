/* SPDX-License-Identifier: GPL-2.0-only */
/* What src/conftest.sh would find in the kernel that the shim imitates: 6.12. */
#define HAVE_CLASS_CREATE_1ARG 1
#define HAVE_EVENTFD_SIGNAL_1ARG 1
#define HAVE_FOLLOW_PFNMAP 1
#define HAVE_REGISTER_SYSCORE 1
#define HAVE_FOLL_INTERRUPTIBLE 1
#define HAVE_CPUHP_AP_KVM_ONLINE 1
#define HAVE_TASK_IS_RUNNABLE 1
