/* SPDX-License-Identifier: Apache-2.0 */
/* The post where UCX's headers were not there when libafd was built: it cannot be opened, so nothing else is
 * reached. */
#include "base/error.h"
#include "transport/ucx/post.h"

afd_status afd__post_open(const afd__post_options *options, afd__post **post, afd_error *error)
{
    (void)options;
    (void)post;
    return afd__fail(error, AFD_ERR_NOT_FOUND, "ucx", 0, 0,
                     "libafd was built without UCX; install libucx-dev and build again");
}

void afd__post_close(afd__post *post)
{
    (void)post;
}

const afd__address *afd__post_address(const afd__post *post)
{
    (void)post;
    return NULL;
}

int afd__post_fd(const afd__post *post)
{
    (void)post;
    return -1;
}

void afd__post_progress(afd__post *post)
{
    (void)post;
}

afd_status afd__line_connect(afd__post *post, const afd__address *address, afd__line **line, afd_error *error)
{
    (void)address;
    (void)line;
    return afd__post_open(NULL, &post, error);
}

afd__line *afd__line_accept(afd__post *post)
{
    (void)post;
    return NULL;
}

afd_status afd__line_send(afd__line *line, const void *packet, size_t packet_bytes)
{
    (void)line;
    (void)packet;
    (void)packet_bytes;
    return AFD_ERR_PEER;
}

afd_status afd__line_receive(afd__line *line, void *packet, size_t capacity, size_t *packet_bytes, afd_error *error)
{
    afd__post *post;
    (void)line;
    (void)packet;
    (void)capacity;
    (void)packet_bytes;
    (void)afd__post_open(NULL, &post, error);
    return AFD_ERR_PEER;
}

const char *afd__line_host(const afd__line *line)
{
    (void)line;
    return "";
}

void afd__line_set_tag(afd__line *line, uint64_t tag)
{
    (void)line;
    (void)tag;
}

bool afd__post_next_ready(afd__post *post, uint64_t *tag)
{
    (void)post;
    (void)tag;
    return false;
}

bool afd__post_has_callers(const afd__post *post)
{
    (void)post;
    return false;
}

void afd__line_close(afd__line *line)
{
    (void)line;
}
