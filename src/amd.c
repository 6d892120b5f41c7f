// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-amd.ko: the whole of kvmono against the SVM backend, as one translation unit.
 */
#include "core/compat.h"

#include "hw/svm/flaws.c"
#include "hw/svm/caps.c"
#include "hw/svm/vmcb.c"
#include "hw/svm/event.c"
#include "hw/svm/exit.c"
#include "hw/svm/run.c"

#include "common.c"
