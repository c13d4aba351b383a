/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled by tests/faults alone. */
#include "base/fault.h"

void (*afd__fault_hook)(afd__fault_point point, void *where);
