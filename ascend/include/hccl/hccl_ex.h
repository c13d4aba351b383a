/* SPDX-License-Identifier: Apache-2.0 */
/* Another name under which programs ask for communicators. */
#ifndef AFD_ASCEND_HCCL_HCCL_EX_H
#define AFD_ASCEND_HCCL_HCCL_EX_H

#include "hccl/hccl.h"

#endif
