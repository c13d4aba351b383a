/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors whose elements lie in memory in any way that strides can say, at random. */
#ifndef AFD_ASCEND_TESTS_STRIDED_H
#define AFD_ASCEND_TESTS_STRIDED_H

#include <stdint.h>

#include "communication_world.h"

/* In [low, high]. strided_seed() starts the numbers, and prints the seed. */
void strided_seed(void);
uint32_t strided_pick(uint32_t low, uint32_t high);

/*
 * A tensor of these elements, which are one behind the other, on a copy of them that lies otherwise: dims in another
 * order, with gaps, backwards, or at an odd address; or as they are. *memory is to be freed.
 */
aclTensor *strided_tensor(const tensor_dims *dims, const void *elements, void **memory);

#endif
