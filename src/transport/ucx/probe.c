/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A probe is a plane with two links, one for rows of each size, and behind each a window of a single micro-batch.
 * Whoever listens has FFN windows, whoever connects attention windows, so rounds go as those of workers do; in between
 * stands nothing but the copy from the window into the answer.
 *
 * The key of a link, which workers learn at the door, follows here from the secret: no door is needed, and a stranger's
 * connection is one more that attaches to nothing. It is no stronger than the secret in the clear (docs/security.md).
 */
#include "afd/probe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "transport/ucx/plane.h"
#include "window/handover.h"

enum { WAY_NUM = 2, SECRET_BYTES_MAX = 256, HALF_OPEN_MAX = 8 };

static const uint64_t patience_ns = UINT64_C(2000000000); /* with a connection that says nothing */
static const uint64_t silence_ns = UINT64_C(10000000000); /* of a caller, who is gone then */
static const uint32_t row_sizes[WAY_NUM] = { AFD_PROBE_ROW_SMALL, AFD_PROBE_ROW_LARGE };

/* The rows of one size. */
typedef struct probe_way {
    uint32_t row_bytes;
    afd_window *window;
    afd__link *link;
    uint64_t round; /* the number of the last */
} probe_way;

struct afd_probe {
    afd__plane *plane;
    bool listens;
    afd__address address;
    uint64_t key;
    probe_way ways[WAY_NUM];
    char *rows;         /* what is sent, where it connects; [AFD_PROBE_ROWS_MAX] of the larger size */
    uint64_t heard_ns;  /* when a caller did something last, where it listens */
    uint64_t round_num; /* sent back to it */
};

/* ---- keys ---- */

/* FNV-1a, and a last mix, so that every bit of the secret is in every bit of the key. */
static uint64_t key_of(const void *secret, size_t secret_bytes)
{
    const unsigned char *bytes = secret;
    uint64_t key = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < secret_bytes; i++) {
        key = (key ^ bytes[i]) * UINT64_C(0x100000001B3);
    }
    key = (key ^ key >> 31) * UINT64_C(0x94D049BB133111EB);
    return key ^ key >> 29;
}

/* Of one link; never 0. */
static uint64_t key_of_way(const afd_probe *probe, uint32_t way)
{
    const uint64_t key = probe->key + way;
    return key != 0 ? key : UINT64_MAX;
}

/* ---- ways ---- */

static void close_ways(afd_probe *probe)
{
    for (uint32_t i = 0; i < WAY_NUM; i++) {
        afd__link_close(probe->ways[i].link);
        afd_window_close(probe->ways[i].window);
        probe->ways[i] = (probe_way){ .row_bytes = row_sizes[i] };
    }
}

static afd_status open_way(afd_probe *probe, uint32_t number, afd_error *error)
{
    probe_way *way = &probe->ways[number];
    const afd_shape shape = {
        .session_num = 1,
        .micro_batch_num = 1,
        .micro_batch_size = AFD_PROBE_ROWS_MAX,
        .selected_expert_num = 1,
        .expert_num = 1,
        .attn_to_ffn_token_size = way->row_bytes,
        .ffn_to_attn_token_size = way->row_bytes,
    };
    afd_status status = probe->listens ? afd_ffn_window_create_private(&shape, &way->window, error)
                                       : afd_attention_window_create_private(&shape, &way->window, error);
    if (status != AFD_OK) {
        return status;
    }
    const afd__link_options options = {
        .key = key_of_way(probe, number),
        .kind = probe->listens ? AFD_WINDOW_ATTENTION : AFD_WINDOW_FFN,
        .shape = shape,
        .sent_bytes = way->row_bytes,
        .received_bytes = way->row_bytes,
        .window = way->window,
    };
    return probe->listens ? afd__link_expect(probe->plane, &options, &way->link, error)
                          : afd__link_connect(probe->plane, &probe->address, &options, &way->link, error);
}

static afd_status open_ways(afd_probe *probe, afd_error *error)
{
    afd_status status = AFD_OK;
    close_ways(probe);
    for (uint32_t i = 0; i < WAY_NUM && status == AFD_OK; i++) {
        status = open_way(probe, i, error);
    }
    return status;
}

static uint32_t count_ways(const afd_probe *probe, afd__link_state state)
{
    uint32_t num = 0;
    for (uint32_t i = 0; i < WAY_NUM; i++) {
        num += afd__link_state_of(probe->ways[i].link) == state;
    }
    return num;
}

/* ---- opening and closing ---- */

static afd_status check_options(const afd_probe_options *options, afd_error *error)
{
    afd_status status = afd__check_not_null("options", options, error);
    if (status == AFD_OK) {
        status = afd__check_size("options.size", options->size, sizeof(*options), "AFD_PROBE_OPTIONS_INIT", error);
    }
    if (status == AFD_OK) {
        status = afd__check_not_null("options.address", options->address, error);
    }
    if (status == AFD_OK && options->secret_bytes > 0) {
        status = afd__check_not_null("options.secret", options->secret, error);
    }
    return status != AFD_OK ? status : afd__check_range("options.secret_bytes", options->secret_bytes, 0,
                                                        SECRET_BYTES_MAX, error);
}

static afd_status check_reach(const afd__address *address, const afd_probe_options *options, afd_error *error)
{
    if (options->secret_bytes > 0 || afd__address_is_loopback(address)) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, "options.secret", 0, 1,
                     "%s is not on the loopback, and beyond it nothing listens without a secret", address->text);
}

static afd_status open_plane(afd_probe *probe, const afd_probe_options *options, afd_error *error)
{
    const afd__plane_options plane_options = {
        .listen = probe->listens ? &probe->address : NULL,
        .connect = probe->listens ? NULL : &probe->address,
        .half_open_max = HALF_OPEN_MAX,
        .patience_ns = patience_ns,
    };
    afd_status status = afd__address_parse(options->address, probe->listens, &probe->address, error);
    if (status == AFD_OK && probe->listens) {
        status = check_reach(&probe->address, options, error);
    }
    if (status == AFD_OK) {
        status = afd__plane_open(&plane_options, &probe->plane, error);
    }
    if (status == AFD_OK && probe->listens) {
        probe->address = *afd__plane_address(probe->plane);
    }
    return status;
}

/* Opens everything but what waits for the other end. */
static afd_status open_probe(const afd_probe_options *options, bool listens, afd_probe **probe, afd_error *error)
{
    const size_t rows_bytes = listens ? 0 : (size_t)AFD_PROBE_ROWS_MAX * AFD_PROBE_ROW_LARGE;
    afd_status status = check_options(options, error);
    if (status != AFD_OK) {
        return status;
    }
    afd_probe *made = calloc(1, sizeof(*made));
    char *rows = calloc(1, rows_bytes + 1);
    if (made == NULL || rows == NULL) {
        free(rows);
        free(made);
        return afd__fail(error, AFD_ERR_NO_MEMORY, "probe", rows_bytes, 0, "no memory for the %zu bytes of a probe",
                         sizeof(*made) + rows_bytes);
    }
    made->listens = listens;
    made->rows = rows;
    made->key = key_of(options->secret, options->secret_bytes);
    status = open_plane(made, options, error);
    if (status == AFD_OK) {
        status = open_ways(made, error);
    }
    if (status != AFD_OK) {
        afd_probe_close(made);
        return status;
    }
    *probe = made;
    return AFD_OK;
}

void afd_probe_close(afd_probe *probe)
{
    if (probe == NULL) {
        return;
    }
    close_ways(probe);
    afd__plane_close(probe->plane);
    free(probe->rows);
    free(probe);
}

afd_status afd_probe_listen(const afd_probe_options *options, afd_probe **probe, afd_error *error)
{
    return open_probe(options, true, probe, error);
}

const char *afd_probe_address(const afd_probe *probe)
{
    return probe->address.text;
}

/* ---- sending back ---- */

/* Sends back what is ready in a window; whether there was something. */
static bool send_back(afd_probe *probe, probe_way *way)
{
    afd_ffn_desc *desc = afd_window_desc(way->window, 0, 0);
    afd_writer *writer = afd__link_writer(way->link);
    if (!afd__desc_is_ready(desc)) {
        return false;
    }
    const int32_t *ids = afd_ffn_desc_expert_ids(desc);
    const char *rows = afd_window_token_data(way->window, 0, 0);
    for (uint32_t token = 0; token < AFD_PROBE_ROWS_MAX; token++) {
        const afd_place place = { .token = token };
        if (ids[token] < AFD_EXPERT_ID_LIMIT) {
            /* What goes wrong breaks the link, which is looked at. */
            (void)afd_writer_put(writer, &place, rows + (size_t)token * way->row_bytes, way->row_bytes, NULL);
        }
    }
    afd__desc_reset(desc, AFD_PROBE_ROWS_MAX); /* before the answer, after which the next round may come */
    const afd_round round = { .number = ++way->round };
    (void)afd_writer_publish(writer, &round, NULL);
    probe->round_num++;
    return true;
}

/* Whether somebody is there, or was and is not any more. Who has not both links soon is no caller. */
static bool has_come(void *arg)
{
    afd_probe *probe = arg;
    afd__plane_progress(probe->plane);
    const uint32_t attached_num = count_ways(probe, AFD__LINK_ATTACHED);
    const uint64_t now_ns = afd_clock_ns();
    if (attached_num == 0) {
        probe->heard_ns = now_ns;
    }
    return attached_num == WAY_NUM || count_ways(probe, AFD__LINK_BROKEN) > 0 ||
           now_ns - probe->heard_ns > patience_ns;
}

static bool has_gone(void *arg)
{
    afd_probe *probe = arg;
    bool was_busy = false;
    afd__plane_progress(probe->plane);
    for (uint32_t i = 0; i < WAY_NUM; i++) {
        was_busy = send_back(probe, &probe->ways[i]) || was_busy;
    }
    const uint64_t now_ns = afd_clock_ns();
    if (was_busy) {
        probe->heard_ns = now_ns;
    }
    return count_ways(probe, AFD__LINK_BROKEN) > 0 || now_ns - probe->heard_ns > silence_ns;
}

/* Waits for a caller: AFD_OK. Links that somebody has spoilt are made anew. */
static afd_status await_caller(afd_probe *probe, const afd_wait *wait, afd_error *error)
{
    afd_wait resting = *wait;
    resting.strategy = AFD_WAIT_BACKOFF;
    afd_status status = afd_wait_until(&resting, has_come, probe, error);
    while (status == AFD_OK && count_ways(probe, AFD__LINK_ATTACHED) < WAY_NUM) {
        status = open_ways(probe, error);
        status = status == AFD_OK ? afd_wait_until(&resting, has_come, probe, error) : status;
    }
    return status;
}

afd_status afd_probe_serve(afd_probe *probe, afd_wait *wait, uint64_t *round_num, afd_error *error)
{
    afd_wait serving = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    serving = wait != NULL ? *wait : serving;
    if (!probe->listens) {
        return afd__fail(error, AFD_ERR_INVALID, "probe", 0, 0, "the probe connects, and does not listen");
    }
    afd_status status = await_caller(probe, &serving, error);
    if (status != AFD_OK) {
        return status;
    }
    serving.deadline_ns = 0; /* it was for somebody to come */
    probe->heard_ns = afd_clock_ns();
    probe->round_num = 0;
    status = afd_wait_until(&serving, has_gone, probe, error);
    if (status == AFD_OK) {
        status = open_ways(probe, error);
    }
    if (status == AFD_OK && round_num != NULL) {
        *round_num = probe->round_num;
    }
    return status;
}

/* ---- measuring ---- */

static bool is_connected(void *arg)
{
    afd_probe *probe = arg;
    afd__plane_progress(probe->plane);
    return count_ways(probe, AFD__LINK_PENDING) == 0 || count_ways(probe, AFD__LINK_BROKEN) > 0;
}

/* Why the first link that is broken is so. */
static afd_status say_trouble(const afd_probe *probe, const char *what, afd_error *error)
{
    afd_error cause = { .status = AFD_OK };
    for (uint32_t i = 0; i < WAY_NUM && cause.status == AFD_OK; i++) {
        cause.status = afd__link_trouble(probe->ways[i].link, &cause);
    }
    return afd__fail(error, AFD_ERR_PEER, "probe", 0, 0, "%s %s: %.150s", what, probe->address.text, cause.message);
}

afd_status afd_probe_connect(const afd_probe_options *options, afd_wait *wait, afd_probe **probe, afd_error *error)
{
    afd_probe *made = NULL;
    afd_status status = open_probe(options, false, &made, error);
    if (status == AFD_OK) {
        status = afd_wait_until(wait, is_connected, made, error);
    }
    if (status == AFD_OK && made != NULL && count_ways(made, AFD__LINK_BROKEN) > 0) {
        status = say_trouble(made, "nobody answers a probe at", error);
    }
    if (status != AFD_OK) {
        afd_probe_close(made);
        return status;
    }
    *probe = made;
    return AFD_OK;
}

typedef struct probe_round {
    const afd_probe *probe;
    const probe_way *way;
} probe_round;

static bool is_back(void *arg)
{
    const probe_round *round = arg;
    afd__plane_progress(round->probe->plane);
    return afd_writer_is_free(afd__link_writer(round->way->link), 0, 0) ||
           afd__link_state_of(round->way->link) == AFD__LINK_BROKEN;
}

static char *row_of(const afd_probe *probe, const probe_way *way, uint32_t token)
{
    return probe->rows + (size_t)token * way->row_bytes;
}

/* Other rows than those of the round before. */
static void number_rows(const afd_probe *probe, const probe_way *way, uint32_t row_num)
{
    for (uint32_t token = 0; token < row_num; token++) {
        const uint64_t number = way->round * AFD_PROBE_ROWS_MAX + token;
        char *row = row_of(probe, way, token);
        memcpy(row, &number, sizeof(number));
        memcpy(row + way->row_bytes - sizeof(number), &number, sizeof(number));
    }
}

static afd_status send_rows(const afd_probe *probe, const probe_way *way, uint32_t row_num, afd_error *error)
{
    afd_writer *writer = afd__link_writer(way->link);
    afd_status status = AFD_OK;
    for (uint32_t token = 0; token < row_num && status == AFD_OK; token++) {
        const afd_place place = { .token = token };
        status = afd_writer_put(writer, &place, row_of(probe, way, token), way->row_bytes, error);
    }
    const afd_round round = { .number = way->round };
    return status == AFD_OK ? afd_writer_publish(writer, &round, error) : status;
}

/* Every row that was sent is there, and no other. */
static afd_status check_back(const probe_way *way, const char *sent, uint32_t row_num, afd_error *error)
{
    int32_t *flags = afd_window_slot_flags(way->window, 0);
    const char *rows = afd_window_token_data(way->window, 0, 0);
    for (uint32_t token = 0; token < AFD_PROBE_ROWS_MAX; token++) {
        const size_t at = (size_t)token * way->row_bytes;
        const bool is_there = afd__slot_is_ready(&flags[token]);
        const bool is_right = is_there ? token < row_num && memcmp(rows + at, sent + at, way->row_bytes) == 0
                                       : token >= row_num;
        if (!is_right) {
            return afd__fail(error, AFD_ERR_PEER, "row", token, row_num,
                             "row %" PRIu32 " of a round of %" PRIu32 " came back %s", token, row_num,
                             is_there ? "as another one" : "not at all");
        }
        afd__slot_clear(&flags[token]);
    }
    return AFD_OK;
}

afd_status afd_probe_round_trip(afd_probe *probe, uint32_t row_num, uint32_t row_bytes, afd_wait *wait, uint64_t *ns,
                                afd_error *error)
{
    probe_way *way = &probe->ways[row_bytes == AFD_PROBE_ROW_LARGE];
    afd_status status = afd__check_range("row_num", row_num, 0, AFD_PROBE_ROWS_MAX, error);
    if (status == AFD_OK && (row_bytes != way->row_bytes || probe->listens)) {
        status = afd__fail(error, AFD_ERR_INVALID, "row_bytes", row_bytes, way->row_bytes,
                           "row_bytes is %" PRIu32 ", must be %d or %d, in a probe that connects", row_bytes,
                           AFD_PROBE_ROW_SMALL, AFD_PROBE_ROW_LARGE);
    }
    if (status != AFD_OK) {
        return status;
    }
    way->round++;
    number_rows(probe, way, row_num);
    probe_round round = { probe, way };
    const uint64_t began_ns = afd_clock_ns();
    status = send_rows(probe, way, row_num, error);
    if (status == AFD_OK) {
        status = afd_wait_until(wait, is_back, &round, error);
    }
    const uint64_t ended_ns = afd_clock_ns();
    if (status == AFD_OK && count_ways(probe, AFD__LINK_BROKEN) > 0) {
        status = say_trouble(probe, "lost", error);
    }
    if (status == AFD_OK) {
        status = check_back(way, probe->rows, row_num, error);
    }
    if (status == AFD_OK) {
        *ns = ended_ns - began_ns;
    }
    return status;
}
