/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of either kind, for the files that treat both alike. */
#ifndef AFD_WINDOW_MEASURE_H
#define AFD_WINDOW_MEASURE_H

#include "afd/window.h"

/* As afd_ffn_window_measure() and afd_attention_window_measure(); `kind` is one of the two. */
afd_status afd__window_measure(afd_window_kind kind, const afd_shape *shape, afd_window_sizes *sizes, afd_error *error);

/* As afd_ffn_window_format() and afd_attention_window_format(). */
afd_status afd__window_format(afd_window_kind kind, const afd_shape *shape, void *memory, uint64_t bytes,
                              afd_error *error);

#endif
