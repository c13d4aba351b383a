/* SPDX-License-Identifier: Apache-2.0 */
/* The ordered accesses of handover.h, as the model meets them. shadow/base/atomic.h says what a site is. */
#ifndef AFD_MODEL_SITES_H
#define AFD_MODEL_SITES_H

typedef struct model_site {
    const char *function;
    int line;
    const char *order; /* "acquire" or "release" */
} model_site;

enum { MODEL_SITE_NONE = -1 };

/* From now on the site of this number, in the order in which sites were met, is relaxed; MODEL_SITE_NONE: none is. */
void model_weaken_site(int number);

int model_site_num(void);
const model_site *model_site_at(int number);

#endif
