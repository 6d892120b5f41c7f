/* SPDX-License-Identifier: GPL-2.0-only */
#include "kshim/kshim.h"
#include <include/uapi/linux/kvm_para.h>
