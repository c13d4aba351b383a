/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what comes in over a plane. A link with a window has a UCX that is none: its calls are the ones below.
 * Whatever messages come in, in whatever order: nothing is written but the place of the link's session, a desc becomes
 * ready with ids that are ones or empty, an answer sets flags of slots that were sent alone, and a message that is not
 * used is counted.
 */
#include <string.h>

#include "fuzz.h"
#include "transport/ucx/link.h"
#include "window/handover.h"
#include "wire_input.h"

enum {
    SLOT_NUM = WIRE_TOKEN_NUM * WIRE_SLOTS_PER_TOKEN,
    HELD_NUM = 8,
    PAYLOAD_MAX = SLOT_NUM * (WIRE_ROW_BYTES + 8) + 16
};

/* ---- a UCX that is none ---- */

/* What was given to it and is not over. */
typedef struct held_call {
    ucp_request_param_t param;
    bool is_receive;
    void *buffer;
    size_t byte_num;
    uint8_t data[PAYLOAD_MAX];
} held_call;

static held_call held[HELD_NUM];
static size_t held_num;
static bool holds_sends;
static bool holds_receives;

static held_call *hold(const ucp_request_param_t *param)
{
    fuzz_expect(held_num < HELD_NUM, "a link has one send and one receive a micro-batch, and a greeting");
    held_call *call = &held[held_num++];
    memset(call, 0, sizeof(*call));
    call->param = *param;
    return call;
}

static void release_all(ucs_status_t status)
{
    const size_t num = held_num;
    for (size_t i = 0; i < num; i++) {
        held_call call = held[i];
        if (call.is_receive) {
            memcpy(call.buffer, call.data, status == UCS_OK ? call.byte_num : call.byte_num / 2);
            call.param.cb.recv_am(&held[i], status, call.byte_num, call.param.user_data);
        } else {
            call.param.cb.send(&held[i], status, call.param.user_data);
        }
    }
    fuzz_expect(held_num == num, "nothing is sent out of a call back");
    held_num = 0;
}

static ucs_status_ptr_t fake_send(ucp_ep_h endpoint, unsigned id, const void *header, size_t header_bytes,
                                  const void *buffer, size_t count, const ucp_request_param_t *param)
{
    (void)endpoint;
    (void)buffer;
    (void)count;
    fuzz_expect(id == AFD__PLANE_MESSAGE_ID && header != NULL && header_bytes == sizeof(afd__wire_header), "a message");
    return holds_sends ? hold(param) : NULL;
}

static ucs_status_ptr_t fake_fetch(ucp_worker_h worker, void *data, void *buffer, size_t count,
                                   const ucp_request_param_t *param)
{
    (void)worker;
    fuzz_expect(count <= PAYLOAD_MAX, "no more is fetched than a round has");
    if (!holds_receives) {
        memcpy(buffer, data, count);
        return NULL;
    }
    held_call *call = hold(param);
    call->is_receive = true;
    call->buffer = buffer;
    call->byte_num = count;
    memcpy(call->data, data, count);
    return call;
}

static ucs_status_ptr_t fake_close(ucp_ep_h endpoint, const ucp_request_param_t *param)
{
    (void)endpoint;
    (void)param;
    release_all(UCS_ERR_CANCELED);
    return NULL;
}

static void fake_free(void *request)
{
    (void)request;
}

static unsigned fake_progress(ucp_worker_h worker)
{
    (void)worker;
    return 0;
}

static const char *fake_text(ucs_status_t status)
{
    return status == UCS_OK ? "good" : "bad";
}

static const afd__ucp fake_ucp = {
    .am_send_nbx = fake_send,
    .am_recv_data_nbx = fake_fetch,
    .ep_close_nbx = fake_close,
    .request_free = fake_free,
    .worker_progress = fake_progress,
    .status_string = fake_text,
};

/* ---- the world ---- */

static struct {
    afd__plane plane;
    afd_window *window;
    afd__link *link;
    bool is_attention;
    char endpoints[2]; /* the link's, and a stranger's */
    bool was_sent[WIRE_MICRO_BATCH_NUM][SLOT_NUM];
} world;

static ucp_ep_h endpoint_of(bool is_stranger)
{
    return (ucp_ep_h)(void *)&world.endpoints[is_stranger];
}

static afd__connection *connect_one(bool is_stranger)
{
    afd__connection *made = calloc(1, sizeof(*made));
    fuzz_expect(made != NULL, "no memory");
    made->plane = &world.plane;
    made->endpoint = endpoint_of(is_stranger);
    made->born_ns = UINT64_MAX / 2;
    made->next = world.plane.connections;
    world.plane.connections = made;
    world.plane.half_open_num++;
    return made;
}

static void open_world(bool is_attention)
{
    memset(&world, 0, sizeof(world));
    held_num = 0;
    holds_sends = holds_receives = false;
    world.is_attention = is_attention;
    world.plane.ucp = &fake_ucp;
    world.plane.expiry_ns = UINT64_MAX;
    const afd_shape shape = {
        .session_num = WIRE_SESSION_NUM,
        .micro_batch_num = WIRE_MICRO_BATCH_NUM,
        .micro_batch_size = WIRE_TOKEN_NUM,
        .selected_expert_num = WIRE_SLOTS_PER_TOKEN,
        .attn_to_ffn_token_size = WIRE_ROW_BYTES,
        .ffn_to_attn_token_size = WIRE_ROW_BYTES,
    };
    fuzz_expect((is_attention ? afd_attention_window_create_private : afd_ffn_window_create_private)(
                    &shape, &world.window, NULL) == AFD_OK,
                "a window");
    const afd__link_options options = {
        .key = WIRE_KEY,
        .session = WIRE_SESSION,
        .kind = is_attention ? AFD_WINDOW_FFN : AFD_WINDOW_ATTENTION,
        .shape = shape,
        .sent_bytes = WIRE_ROW_BYTES,
        .received_bytes = WIRE_ROW_BYTES,
        .window = world.window,
    };
    fuzz_expect(afd__link_expect(&world.plane, &options, &world.link, NULL) == AFD_OK, "a link");
    afd__connection *own = connect_one(false);
    if (is_attention) {
        afd__connection_bind(own, world.link);
    }
    (void)connect_one(true);
}

static void close_world(void)
{
    afd__link_close(world.link);
    while (world.plane.connections != NULL) {
        afd__connection_end(world.plane.connections);
        afd__plane_progress(&world.plane);
    }
    afd__plane_progress(&world.plane);
    fuzz_expect(world.plane.dying == NULL && world.plane.half_open_num == 0, "everything is let go of");
    afd_window_close(world.window);
}

/* ---- what must hold ---- */

static void expect_others_untouched(void)
{
    if (world.is_attention) {
        return;
    }
    for (uint32_t session = 0; session < WIRE_SESSION_NUM; session++) {
        for (uint32_t m = 0; session != WIRE_SESSION && m < WIRE_MICRO_BATCH_NUM; m++) {
            afd_ffn_desc *desc = afd_window_desc(world.window, session, m);
            fuzz_expect(afd_ffn_desc_is_free(desc) && desc->layer_id == 0, "another session's desc is as it was");
            const uint8_t *rows = afd_window_token_data(world.window, session, m);
            for (size_t i = 0; i < SLOT_NUM * WIRE_ROW_BYTES; i++) {
                fuzz_expect(rows[i] == 0, "another session's rows are as they were");
            }
            for (size_t i = 0; i < SLOT_NUM; i++) {
                fuzz_expect(afd_ffn_desc_expert_ids(desc)[i] == AFD_EXPERT_ID_NONE, "so are its ids");
            }
        }
    }
}

static void expect_flags(void)
{
    for (uint32_t m = 0; m < WIRE_MICRO_BATCH_NUM; m++) {
        const int32_t *flags = afd_window_slot_flags(world.window, m);
        for (size_t slot = 0; slot < SLOT_NUM; slot++) {
            fuzz_expect(flags[slot] == AFD_FLAG_FREE || (flags[slot] == AFD_FLAG_READY && world.was_sent[m][slot]),
                        "only what was sent is answered");
        }
    }
}

/* What a scheduler does with a round that is there. */
static void take(uint32_t micro_batch)
{
    afd_ffn_desc *desc = afd_window_desc(world.window, WIRE_SESSION, micro_batch);
    if (afd_ffn_desc_is_free(desc)) {
        return;
    }
    fuzz_expect(desc->layer_id >= 0, "a layer is one");
    for (size_t i = 0; i < SLOT_NUM; i++) {
        fuzz_expect(afd_ffn_desc_expert_ids(desc)[i] >= 0, "an id is one or empty");
        afd_ffn_desc_expert_ids(desc)[i] = AFD_EXPERT_ID_REFILL;
    }
    afd__desc_give_back(desc);
}

/* The worker's own part: a round of every second slot, or the answer of one row. */
static void act(void)
{
    afd_writer *writer = afd__link_writer(world.link);
    const uint8_t row[WIRE_ROW_BYTES] = { 1, 2, 3 };
    for (uint32_t m = 0; m < WIRE_MICRO_BATCH_NUM; m++) {
        const afd_round round = { .session = WIRE_SESSION, .micro_batch = m };
        if (!world.is_attention) {
            take(m);
            const afd_place place = { WIRE_SESSION, m, 1, 1, 0 };
            if (afd_writer_put(writer, &place, row, sizeof(row), NULL) == AFD_OK &&
                afd_writer_publish(writer, &round, NULL) != AFD_OK) {
                afd_writer_discard(writer, WIRE_SESSION, m);
            }
            continue;
        }
        if (!afd_writer_is_free(writer, WIRE_SESSION, m)) {
            continue;
        }
        memset(afd_window_slot_flags(world.window, m), 0, SLOT_NUM * sizeof(int32_t));
        for (uint32_t slot = 0; slot < SLOT_NUM; slot++) {
            const afd_place place = { WIRE_SESSION, m, slot / WIRE_SLOTS_PER_TOKEN, slot % WIRE_SLOTS_PER_TOKEN, 0 };
            world.was_sent[m][slot] = slot % 2 == 0;
            if (world.was_sent[m][slot]) {
                fuzz_expect(afd_writer_put(writer, &place, row, sizeof(row), NULL) == AFD_OK, "a free one is put");
            }
        }
        fuzz_expect(afd_writer_publish(writer, &round, NULL) == AFD_OK, "and published");
    }
}

/* ---- messages ---- */

/* Makes of what came a message that is good as far as it goes; returns how much of the payload it takes. */
static size_t bend(uint8_t *bytes, size_t payload_bytes)
{
    afd__wire_header header;
    memcpy(&header, bytes, sizeof(header));
    header.magic = AFD__WIRE_MAGIC;
    header.version = AFD__WIRE_VERSION;
    header.key = WIRE_KEY;
    header.session = WIRE_SESSION;
    header.row_bytes = WIRE_ROW_BYTES;
    header.reserved = 0;
    memcpy(bytes, &header, sizeof(header));
    const uint64_t needed = afd__wire_payload_bytes(header.row_num, header.row_bytes);
    return needed < payload_bytes ? needed : payload_bytes;
}

static void receive(uint8_t options, uint8_t *header, size_t header_bytes, const uint8_t *payload, size_t payload_bytes)
{
    if ((options & WIRE_BEND) != 0 && header_bytes == sizeof(afd__wire_header)) {
        payload_bytes = bend(header, payload_bytes);
    }
    /* Blocks of exactly their sizes, so that AddressSanitizer sees a read past one of them. */
    void *header_copy = malloc(header_bytes + (header_bytes == 0));
    void *payload_copy = malloc(payload_bytes + (payload_bytes == 0));
    fuzz_expect(header_copy != NULL && payload_copy != NULL, "no memory");
    memcpy(header_copy, header, header_bytes);
    memcpy(payload_copy, payload, payload_bytes);
    const bool is_fetched = (options & WIRE_FETCHED) != 0;
    const bool is_nameless = (options & WIRE_NAMELESS) != 0;
    const ucp_am_recv_param_t param = {
        .recv_attr = (is_nameless ? 0 : (uint64_t)UCP_AM_RECV_ATTR_FIELD_REPLY_EP) |
                     (is_fetched ? (uint64_t)UCP_AM_RECV_ATTR_FLAG_RNDV : 0),
        .reply_ep = endpoint_of((options & WIRE_STRANGER) != 0),
    };
    ucs_status_t status =
        afd__link_receive(&world.plane, header_copy, header_bytes, payload_copy, payload_bytes, &param);
    fuzz_expect(status == UCS_OK || (status == UCS_INPROGRESS && is_fetched), "a message is kept by a fetch alone");
    free(header_copy);
    free(payload_copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    open_world((data[0] & WIRE_TO_ATTENTION) != 0);
    size_t at = 1;
    while (size - at >= sizeof(wire_message)) {
        wire_message message;
        uint8_t header[256];
        memcpy(&message, data + at, sizeof(message));
        at += sizeof(message);
        const size_t header_bytes = message.header_bytes < size - at ? message.header_bytes : size - at;
        memcpy(header, data + at, header_bytes);
        at += header_bytes;
        size_t payload_bytes = message.payload_bytes[0] + (size_t)message.payload_bytes[1] * 256;
        payload_bytes = payload_bytes < size - at ? payload_bytes : size - at;
        holds_sends = (message.options & WIRE_HELD) != 0;
        holds_receives = (message.options & WIRE_LATE) != 0;
        if ((message.options & WIRE_ANSWER) != 0) {
            act();
        }
        receive(message.options, header, header_bytes, data + at, payload_bytes);
        at += payload_bytes;
        if (!holds_sends && !holds_receives) {
            release_all(UCS_OK);
        }
        afd__plane_progress(&world.plane);
        expect_others_untouched();
        if (world.is_attention) {
            expect_flags();
        }
    }
    close_world();
    return 0;
}
