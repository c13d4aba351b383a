/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every code that the front can return, each provoked, each with the sentence that it leaves. `test_codes --list`
 * prints the table in the form in which ascend/README.md has it.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "codes.h"
#include "front_test.h"

static const code_case *const tables[] = {
    runtime_codes,
    scheduler_codes,
    attention_codes,
    batching_codes,
    batching_task_codes,
    comm_codes,
    attention_to_ffn_codes,
    attention_to_ffn_shape_codes,
    attention_to_ffn_task_codes,
    ffn_to_attention_codes,
};

enum { TABLE_NUM = sizeof(tables) / sizeof(tables[0]) };

static void provoke(const code_case *c)
{
    code_world cw;
    (void)aclGetRecentErrMsg();
    code_world_start(&cw);
    const int code = c->provoke(&cw);
    if (code != c->code) {
        const char *message = aclGetRecentErrMsg();
        fail_msg("%s: returned %d, expected %d; '%s'", c->how, code, c->code, message != NULL ? message : "");
    }
    assert_message_has(c->message);
    assert_null(aclGetRecentErrMsg()); /* returned once, then forgotten */
    code_world_end(&cw);
}

static void every_code_is_provoked_and_explained(void **state)
{
    (void)state;
    for (int i = 0; i < TABLE_NUM; i++) {
        for (const code_case *c = tables[i]; c->code != 0; c++) {
            provoke(c);
        }
    }
}

static bool is_in_a_table(int code)
{
    for (int i = 0; i < TABLE_NUM; i++) {
        for (const code_case *c = tables[i]; c->code != 0; c++) {
            if (c->code == code) {
                return true;
            }
        }
    }
    return false;
}

static void every_code_of_the_front_is_in_the_table(void **state)
{
    static const int codes[] = { 1, 2, 3, 5, 7, 8, 9, 15, 21, /* HCCL_E_ */
                                 100000, 100001, 100002, 107000, 107001, 107002, 107017, 207001, 507014, 507015,
                                 507017, 507018, 507046, 507047, 161001, 161002, 361001, 561002, 561101, 561103 };
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (!is_in_a_table(codes[i])) {
            fail_msg("%d is not provoked", codes[i]);
        }
    }
}

static void a_failed_first_phase_writes_nothing(void **state)
{
    (void)state;
    code_world cw;
    uint64_t workspace_size = 4711;
    aclOpExecutor *const before = (aclOpExecutor *)(void *)&cw;
    aclOpExecutor *executor = before;
    code_world_start(&cw);
    assert_code(aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(cw.w.tensor, 1, 7, &workspace_size, &executor), 161002);
    assert_int_equal(workspace_size, 4711);
    assert_ptr_equal(executor, before);
    assert_code(aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(NULL, 1, 0, &workspace_size, &executor), 161001);
    assert_int_equal(workspace_size, 4711);
    assert_ptr_equal(executor, before);
    code_world_end(&cw);
    (void)aclGetRecentErrMsg();
}

/* A part ends where the table's own separator stands, which is not a character for a table in Markdown. */
static void print_case(const code_case *c)
{
    printf("| %d | %s | ", c->code, c->how);
    for (const char *next = c->message; *next != '\0'; next++) {
        if (*next == '|') {
            printf(" … ");
        } else {
            putchar(*next);
        }
    }
    printf(" |\n");
}

static void print_table(void)
{
    printf("| code | provoked by | the sentence has |\n|---|---|---|\n");
    for (int i = 0; i < TABLE_NUM; i++) {
        for (const code_case *c = tables[i]; c->code != 0; c++) {
            print_case(c);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_provoked_and_explained),
        cmocka_unit_test(every_code_of_the_front_is_in_the_table),
        cmocka_unit_test(a_failed_first_phase_writes_nothing),
    };
    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        print_table();
        return 0;
    }
    return cmocka_run_group_tests_name("codes", tests, NULL, NULL);
}
