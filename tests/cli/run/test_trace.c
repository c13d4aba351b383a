/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded routing: what is read, and what each mistake in a file is called. */
#include <unistd.h>

#include "cmocka_headers.h"
#include "run/trace/trace.h"
#include "small_model.h"

static char path[] = "/tmp/afd-test-trace-XXXXXX";

static void put(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_file(void **state)
{
    (void)state;
    int file = mkstemp(path);
    return file >= 0 ? close(file) : -1;
}

static int drop_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void tokens_come_back_and_begin_again(void **state)
{
    run_trace trace;
    run_failure failure;
    int32_t experts[2];
    float weights[2];
    (void)state;
    /* In no order, with a layer that is left out, an empty line, a key that means nothing, and no last newline. */
    put("{\"layer\":1,\"token\":1,\"experts\":[5,0],\"weights\":[0.25,0.75]}\n"
        "{\"layer\":0,\"token\":1,\"experts\":[2,3],\"weights\":[1,0],\"model\":\"small\"}\n"
        "   \n"
        "{\"layer\":2,\"token\":7,\"experts\":[2,3],\"weights\":[1,0]}\n"
        "{\"layer\":0,\"token\":0,\"experts\":[1,4],\"weights\":[0.5,2.5]}\n"
        "{\"layer\":1,\"token\":0,\"experts\":[0,1],\"weights\":[0.125,0.875]}");
    if (!run_trace_read(&trace, path, &small_model, 2, &failure)) {
        fail_msg("%s", failure.text);
    }
    assert_int_equal(trace.token_num, 2);
    for (uint64_t token = 1; token < 10; token += 2) {
        run_trace_route(&trace, 1, token, experts, weights);
        assert_true(experts[0] == 5 && experts[1] == 0 && weights[0] == 0.25F && weights[1] == 0.75F);
        run_trace_route(&trace, 0, token - 1, experts, weights);
        assert_true(experts[0] == 1 && experts[1] == 4 && weights[0] == 0.5F && weights[1] == 2.5F);
    }
    run_trace_destroy(&trace);
}

static void every_mistake_has_its_line_value_and_bound(void **state)
{
    static const struct {
        const char *text;
        const char *sentence; /* after the path; with "PATH " before it, the path stands inside of it */
    } cases[] = {
        { "\n{\"layer\":0", ":2: is no JSON: '}' expected near end of file at column 10" },
        { "[1]\n", ":1: the line is an array, must be an object" },
        { "{\"token\":0}", ":1: layer is missing, must be an integer in [0, 3)" },
        { "{\"layer\":3}", ":1: layer is 3, must be in [0, 3)" },
        { "{\"layer\":-1}", ":1: layer is -1, must be in [0, 3)" },
        { "{\"layer\":1.5}", ":1: layer is a real number, must be an integer in [0, 3)" },
        { "{\"layer\":0,\"token\":1000000}", ":1: token is 1000000, must be in [0, 1000000)" },
        { "{\"layer\":0,\"token\":\"1\"}", ":1: token is a string, must be an integer in [0, 1000000)" },
        { "{\"layer\":0,\"token\":0}", ":1: experts is missing, must be an array of 2" },
        { "{\"layer\":0,\"token\":0,\"experts\":[1]}", ":1: experts has 1 entries, must have the model's top-k of 2" },
        { "{\"layer\":0,\"token\":0,\"experts\":[1,6]}", ":1: experts[1] is 6, must be in [0, 6)" },
        { "{\"layer\":0,\"token\":0,\"experts\":[1,null]}", ":1: experts[1] is null, must be an integer in [0, 6)" },
        { "{\"layer\":0,\"token\":0,\"experts\":[4,4]}", ":1: experts[1] is 4 as experts[0] is, must be another" },
        { "{\"layer\":0,\"token\":0,\"experts\":[1,2]}", ":1: weights is missing, must be an array of 2" },
        { "{\"layer\":0,\"token\":0,\"experts\":[1,2],\"weights\":[1,2,3]}",
          ":1: weights has 3 entries, must have the model's top-k of 2" },
        { "{\"layer\":0,\"token\":0,\"experts\":[1,2],\"weights\":[1,true]}",
          ":1: weights[1] is true, must be a number in [0, 1000]" },
        { "{\"layer\":0,\"token\":0,\"experts\":[1,2],\"weights\":[-0.5,1]}",
          ":1: weights[0] is -0.5, must be in [0, 1000]" },
        { "{\"layer\":0,\"token\":0,\"experts\":[1,2],\"weights\":[1,1000.5]}",
          ":1: weights[1] is 1000.5, must be in [0, 1000]" },
        { "{\"layer\":0,\"token\":0,\"experts\":[1,2],\"weights\":[1,0]}\n\n"
          "{\"layer\":0,\"token\":0,\"experts\":[1,2],\"weights\":[1,0]}\n",
          ":3: layer 0 token 0 stands at line 1 already" },
        { "{\"layer\":0,\"token\":1,\"experts\":[1,2],\"weights\":[1,0]}",
          " has no line for layer 0 token 0; it needs 2 tokens in each of 2 layers" },
        { "{\"layer\":0,\"token\":0,\"experts\":[1,2],\"weights\":[1,0]}",
          " has no line for layer 1 token 0; it needs 1 tokens in each of 2 layers" },
        { "", " has no tokens for the layers [0, 2)" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run_trace trace = { .token_num = 77 };
        run_failure failure = { "" };
        put(cases[i].text);
        assert_false(run_trace_read(&trace, path, &small_model, 2, &failure));
        assert_memory_equal(failure.text, path, strlen(path));
        assert_string_equal(failure.text + strlen(path), cases[i].sentence);
        assert_int_equal(trace.token_num, 77);
    }
}

static void files_that_cannot_be_read(void **state)
{
    run_trace trace;
    run_failure failure;
    (void)state;
    assert_false(run_trace_read(&trace, "/nowhere/trace", &small_model, 1, &failure));
    assert_string_equal(failure.text, "cannot open /nowhere/trace: No such file or directory");
    assert_false(run_trace_read(&trace, "/tmp", &small_model, 1, &failure));
    assert_string_equal(failure.text, "cannot read /tmp: Is a directory");
}

static void the_example_is_one(void **state)
{
    run_trace trace;
    run_failure failure;
    (void)state;
    if (!run_trace_read(&trace, EXAMPLE_TRACE, run_model_find("mixtral-8x7b"), 2, &failure)) {
        fail_msg("%s", failure.text);
    }
    assert_int_equal(trace.token_num, 8);
    run_trace_destroy(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_come_back_and_begin_again),
        cmocka_unit_test(every_mistake_has_its_line_value_and_bound),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(the_example_is_one),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
