/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back of a batch. Rows come sorted by expert, so those of one (session, micro-batch), a *pair*, are scattered
 * over the batch; yet each pair is published once, after its last row, and one that failed is not published at all.
 * What has to be remembered for that is two bits a pair. They stand on the stack, for PAIR_NUM pairs at a time: a reply
 * to more of them walks its rows again for each further part, so that it needs neither memory nor a limit.
 */
#include "ffn/reply.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"

enum { WORD_BITS = 64, PAIR_WORD_NUM = 64, PAIR_NUM = PAIR_WORD_NUM * WORD_BITS };

/* The pairs [first, first + PAIR_NUM), and what became of them. */
typedef struct reply_part {
    uint64_t first;
    uint64_t next;                   /* the lowest pair that comes up behind them; UINT64_MAX if none does */
    uint64_t has_rows[PAIR_WORD_NUM];
    uint64_t has_failed[PAIR_WORD_NUM];
    afd_status status;               /* the first thing that a transport said, of the whole reply */
    afd_error cause;                 /* and its words, if it had any */
    afd_error *error;                /* what the caller gets of them */
} reply_part;

static inline void set_bit(uint64_t *words, uint64_t bit)
{
    words[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
}

static inline bool has_bit(const uint64_t *words, uint64_t bit)
{
    return (words[bit / WORD_BITS] >> bit % WORD_BITS & 1) != 0;
}

/* Whether the pair is one of this part; *bit becomes its number in it. One that comes later is remembered. */
static inline bool find_in_part(reply_part *part, uint64_t pair, uint64_t *bit)
{
    if (pair < part->first) {
        return false;
    }
    *bit = pair - part->first;
    if (*bit >= PAIR_NUM) {
        part->next = pair < part->next ? pair : part->next;
        return false;
    }
    return true;
}

/* Only the first failure is reported; whoever fails after it gets nowhere to write a sentence. */
static afd_error *cause_of(reply_part *part)
{
    return part->status == AFD_OK ? &part->cause : NULL;
}

/* Says whose round it is that failed, so that the caller knows whom to drop. */
static __attribute__((cold)) void report(reply_part *part, const afd_writer *writer, uint32_t session,
                                         uint32_t micro_batch)
{
    (void)afd__fail(part->error, part->status, "writers", session, micro_batch,
                    "session %" PRIu32 ", micro-batch %" PRIu32 " (%s): %.150s", session, micro_batch,
                    writer->ops->name, part->cause.message);
    if (part->error != NULL) {
        part->error->system_error = part->cause.system_error;
    }
}

/* What was put of a round that failed is taken back: half of it must not be published, by nobody, later. */
static void give_up(reply_part *part, afd_writer *writer, uint32_t session, uint32_t micro_batch, uint64_t bit,
                    afd_status status)
{
    if (part->status == AFD_OK) {
        part->status = status;
        report(part, writer, session, micro_batch);
    }
    set_bit(part->has_failed, bit);
    afd_writer_discard(writer, session, micro_batch);
}

static void put_row(const afd__reply *reply, reply_part *part, uint64_t row)
{
    const afd_place place = {
        .session = (uint32_t)reply->session_ids[row],
        .micro_batch = (uint32_t)reply->micro_batch_ids[row],
        .token = (uint32_t)reply->token_ids[row],
        .slot = (uint32_t)reply->expert_offsets[row],
    };
    uint64_t bit = 0;
    if (!find_in_part(part, place.session * reply->stride + place.micro_batch, &bit) ||
        has_bit(part->has_failed, bit)) {
        return;
    }
    afd_writer *writer = afd__reply_writer(reply, place.session);
    afd_status status = afd_writer_put(writer, &place, reply->rows + row * reply->row_bytes, reply->row_bytes,
                                       cause_of(part));
    set_bit(part->has_rows, bit);
    if (status != AFD_OK) {
        give_up(part, writer, place.session, place.micro_batch, bit, status);
    }
}

static void publish(const afd__reply *reply, reply_part *part, const afd_round *round, uint64_t bit)
{
    if (has_bit(part->has_failed, bit)) {
        return;
    }
    afd_writer *writer = afd__reply_writer(reply, round->session);
    afd_status status = afd_writer_publish(writer, round, cause_of(part));
    if (status != AFD_OK) {
        give_up(part, writer, round->session, round->micro_batch, bit, status);
    }
}

/* The pairs of this part that got a row. Nobody has said which rounds they are. */
static void publish_rows(const afd__reply *reply, reply_part *part)
{
    for (uint64_t word = 0; word < PAIR_WORD_NUM; word++) {
        for (uint64_t left = part->has_rows[word]; left != 0; left &= left - 1) {
            uint64_t bit = word * WORD_BITS + (uint64_t)__builtin_ctzll(left);
            uint64_t pair = part->first + bit;
            const afd_round round = {
                .session = (uint32_t)(pair / reply->stride),
                .micro_batch = (uint32_t)(pair % reply->stride),
            };
            publish(reply, part, &round, bit);
        }
    }
}

static void publish_rounds(const afd__reply *reply, reply_part *part)
{
    for (uint32_t i = 0; i < reply->round_num; i++) {
        const afd_round *round = &reply->rounds[i];
        uint64_t bit = 0;
        if (find_in_part(part, round->session * reply->stride + round->micro_batch, &bit)) {
            publish(reply, part, round, bit);
        }
    }
}

static void serve_part(const afd__reply *reply, reply_part *part)
{
    part->next = UINT64_MAX;
    memset(part->has_rows, 0, sizeof(part->has_rows));
    memset(part->has_failed, 0, sizeof(part->has_failed));
    for (uint64_t row = 0; row < reply->row_num; row++) {
        put_row(reply, part, row);
    }
    if (reply->rounds == NULL) {
        publish_rows(reply, part);
    } else {
        publish_rounds(reply, part);
    }
}

afd_status afd_ffn_reply(const afd_ffn_reply_args *args, afd_error *error)
{
    afd__reply reply;
    afd_status status = afd__reply_make(&reply, args, error);
    if (status != AFD_OK) {
        return status;
    }
    /* No pair has the number UINT64_MAX: session and micro-batch are below 2^32 - 1. */
    reply_part part;
    part.first = 0;
    part.status = AFD_OK;
    part.cause.message[0] = '\0'; /* for a transport that fails without a word */
    part.cause.system_error = 0;
    part.error = error;
    do {
        serve_part(&reply, &part);
        part.first = part.next;
    } while (part.next != UINT64_MAX);
    return part.status;
}
