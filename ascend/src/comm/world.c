/* SPDX-License-Identifier: Apache-2.0 */
#include "comm/world.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "runtime/message.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

afd__acl_world *afd__acl_world_new(uint32_t size)
{
    afd__acl_world *made = calloc(1, sizeof(*made) + size * sizeof(made->buffers[0]));
    if (made == NULL) {
        afd__acl_say("no memory for a communicator of %" PRIu32 " ranks", size);
        return NULL;
    }
    made->ref_num = 1;
    made->size = size;
    return made;
}

bool afd__acl_world_make_id(int32_t id[AFD__ACL_COMM_ID_WORDS])
{
    const size_t bytes = AFD__ACL_COMM_ID_WORDS * sizeof(id[0]);
    if (getrandom(id, bytes, 0) == (ssize_t)bytes) {
        return true;
    }
    afd__acl_say("no random bits for the name of a communicator: %s", afd__acl_errno_text());
    return false;
}

void afd__acl_world_set_name(afd__acl_world *world, int32_t pid, const int32_t id[AFD__ACL_COMM_ID_WORDS])
{
    (void)snprintf(world->name, sizeof(world->name), "afd_comm_%" PRId32 "_%08" PRIx32 "%08" PRIx32 "%08" PRIx32
                   "%08" PRIx32, pid, (uint32_t)id[0], (uint32_t)id[1], (uint32_t)id[2], (uint32_t)id[3]);
}

void afd__acl_world_hold(afd__acl_world *world)
{
    (void)pthread_mutex_lock(&lock);
    world->ref_num++;
    (void)pthread_mutex_unlock(&lock);
}

static void end(afd__acl_world *world)
{
    for (uint32_t rank = 0; rank < world->size; rank++) {
        afd__acl_segment_release(&world->buffers[rank]);
    }
    if (world->between_processes) {
        afd__acl_segment_release(&world->table);
    } else {
        free(world->entries);
    }
    free(world);
}

void afd__acl_world_release(afd__acl_world *world)
{
    (void)pthread_mutex_lock(&lock);
    const bool last = --world->ref_num == 0;
    (void)pthread_mutex_unlock(&lock);
    if (last) {
        end(world);
    }
}
