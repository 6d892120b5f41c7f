/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels, and nothing else. HAVE_* come from snippets that the build compiles (conftest).
 */
#ifndef CORE_COMPAT_H
#define CORE_COMPAT_H

#include "compat-conf.h"

#endif
