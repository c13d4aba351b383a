/* SPDX-License-Identifier: Apache-2.0 */
/* The plane where UCX's headers were not there when libafd was built: it cannot be opened, so nothing else is
 * reached. */
#include "base/error.h"
#include "transport/ucx/plane.h"

static afd_status fail_absent(afd_error *error)
{
    return afd__fail(error, AFD_ERR_NOT_FOUND, "ucx", 0, 0,
                     "libafd was built without UCX; install libucx-dev and build again");
}

afd_status afd__plane_open(const afd__plane_options *options, afd__plane **plane, afd_error *error)
{
    (void)options;
    (void)plane;
    return fail_absent(error);
}

void afd__plane_close(afd__plane *plane)
{
    (void)plane;
}

const afd__address *afd__plane_address(const afd__plane *plane)
{
    (void)plane;
    return NULL;
}

void afd__plane_progress(afd__plane *plane)
{
    (void)plane;
}

afd__plane_counters afd__plane_count(const afd__plane *plane)
{
    (void)plane;
    return (afd__plane_counters){ 0 };
}

afd_status afd__link_expect(afd__plane *plane, const afd__link_options *options, afd__link **link, afd_error *error)
{
    (void)plane;
    (void)options;
    (void)link;
    return fail_absent(error);
}

afd_status afd__link_connect(afd__plane *plane, const afd__address *address, const afd__link_options *options,
                             afd__link **link, afd_error *error)
{
    (void)plane;
    (void)address;
    (void)options;
    (void)link;
    return fail_absent(error);
}

afd__link_state afd__link_state_of(const afd__link *link)
{
    (void)link;
    return AFD__LINK_BROKEN;
}

afd_status afd__link_trouble(const afd__link *link, afd_error *error)
{
    (void)link;
    (void)fail_absent(error);
    return AFD_ERR_PEER;
}

afd_writer *afd__link_writer(afd__link *link)
{
    (void)link;
    return NULL;
}

void afd__link_close(afd__link *link)
{
    (void)link;
}
