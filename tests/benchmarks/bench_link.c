/* SPDX-License-Identifier: Apache-2.0 */
/* Our way: an FFN worker's plane that answers each row with itself, and an attention worker's. */
#include <string.h>

#include "afd/wait.h"
#include "afd/window.h"
#include "plane_bench.h"
#include "transport/ucx/plane.h"
#include "window/handover.h"

enum { KEY = 1 };

static afd_shape shape_of(const bench_case *c)
{
    return (afd_shape){
        .session_num = 1,
        .micro_batch_num = 1,
        .micro_batch_size = c->row_num,
        .selected_expert_num = 1,
        .attn_to_ffn_token_size = c->row_bytes,
        .ffn_to_attn_token_size = c->row_bytes,
    };
}

static afd__link_options options_of(const bench_case *c, afd_window_kind kind, afd_window *own)
{
    return (afd__link_options){
        .key = KEY,
        .kind = kind,
        .shape = shape_of(c),
        .sent_bytes = c->row_bytes,
        .received_bytes = c->row_bytes,
        .window = own,
    };
}

static void put_all(const bench_case *c, afd__link *link, const char *rows)
{
    const afd_round round = { 0 };
    for (uint32_t i = 0; i < c->row_num; i++) {
        const afd_place place = { .token = i };
        (void)afd_writer_put(afd__link_writer(link), &place, rows + (size_t)i * c->row_bytes, c->row_bytes, NULL);
    }
    bench_expect(afd_writer_publish(afd__link_writer(link), &round, NULL) == AFD_OK, "publish");
}

static void give_back(const bench_case *c, afd_ffn_desc *desc)
{
    memset(afd_ffn_desc_expert_ids(desc), 0x7F, c->row_num * sizeof(int32_t));
    afd__desc_give_back(desc);
}

static void serve(const bench_case *c, bench_board *board)
{
    afd__plane *plane = NULL;
    afd__link *link = NULL;
    afd_window *window = NULL;
    afd__address address;
    const afd_shape shape = shape_of(c);
    bench_expect(afd__address_parse("127.0.0.1:0", true, &address, NULL) == AFD_OK, "address");
    const afd__plane_options options = { .listen = &address, .half_open_max = 4, .patience_ns = UINT64_C(10000000000) };
    bench_expect(afd__plane_open(&options, &plane, NULL) == AFD_OK, "open a plane");
    bench_expect(afd_ffn_window_create_private(&shape, &window, NULL) == AFD_OK, "make a window");
    const afd__link_options link_options = options_of(c, AFD_WINDOW_ATTENTION, window);
    bench_expect(afd__link_expect(plane, &link_options, &link, NULL) == AFD_OK, "expect a link");
    bench_announce(board, afd__address_port(afd__plane_address(plane)));
    afd_ffn_desc *desc = afd_window_desc(window, 0, 0);
    for (uint32_t i = 0; i < c->round_num + bench_warm_up_num(c); i++) {
        while (!afd__desc_is_ready(desc)) {
            afd__plane_progress(plane);
        }
        give_back(c, desc);
        put_all(c, link, afd_window_token_data(window, 0, 0));
    }
    while (afd__link_state_of(link) == AFD__LINK_ATTACHED) {
        afd__plane_progress(plane); /* until the last answer was read */
    }
    afd__plane_close(plane);
    afd_window_close(window);
}

static void ask(const bench_case *c, bench_board *board)
{
    afd__plane *plane = NULL;
    afd__link *link = NULL;
    afd_window *window = NULL;
    afd__address address;
    const afd_shape shape = shape_of(c);
    char *rows = bench_memory((size_t)c->row_num * c->row_bytes);
    bench_expect(afd__address_parse("127.0.0.1:1", false, &address, NULL) == AFD_OK, "address");
    afd__address_set_port(&address, bench_await_port(board));
    const afd__plane_options options = { .connect = &address };
    bench_expect(afd__plane_open(&options, &plane, NULL) == AFD_OK, "open a plane");
    bench_expect(afd_attention_window_create_private(&shape, &window, NULL) == AFD_OK, "make a window");
    const afd__link_options link_options = options_of(c, AFD_WINDOW_FFN, window);
    bench_expect(afd__link_connect(plane, &address, &link_options, &link, NULL) == AFD_OK, "connect a link");
    while (afd__link_state_of(link) == AFD__LINK_PENDING) {
        afd__plane_progress(plane);
    }
    const uint32_t warm_up_num = bench_warm_up_num(c);
    for (uint32_t i = 0; i < c->round_num + warm_up_num; i++) {
        const uint64_t began_ns = afd_clock_ns();
        put_all(c, link, rows);
        while (!afd_writer_is_free(afd__link_writer(link), 0, 0)) {
            afd__plane_progress(plane);
        }
        memcpy(rows, afd_window_token_data(window, 0, 0), (size_t)c->row_num * c->row_bytes); /* as who needs it */
        bench_note(c, board, i, began_ns);
    }
    afd__plane_close(plane);
    afd_window_close(window);
}

const bench_way bench_link = { "link", serve, ask };
