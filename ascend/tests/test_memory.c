/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, copies, and the descriptions of tensors. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aclnn/opdev/fp16_t.h" /* empty in C, and included by C programs */
#include "front_test.h"

static void an_allocation_is_rounded_up_with_32_more_and_zeroed(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 200; size++) {
        unsigned char *memory = NULL;
        const size_t usable = (size + 31) / 32 * 32 + 32;
        assert_ok(aclrtMalloc((void **)&memory, size, ACL_MEM_MALLOC_HUGE_FIRST));
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t i = 0; i < usable; i++) {
            assert_int_equal(memory[i], 0);
        }
        memset(memory, 0xAA, usable);
        assert_ok(aclrtFree(memory));
    }
}

/* All at once, every usable byte written: one that were not there would be its neighbour's. The sizes are such that the
 * blocks begin everywhere between two cache lines. */
static void allocations_do_not_overlap(void **state)
{
    enum { COUNT = 400 };
    unsigned char *all[COUNT];
    size_t usable[COUNT];
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        const size_t size = 1 + i % 7 * 48;
        usable[i] = (size + 31) / 32 * 32 + 32;
        assert_ok(aclrtMalloc((void **)&all[i], size, ACL_MEM_MALLOC_HUGE_FIRST));
    }
    for (size_t i = 0; i < COUNT; i++) {
        memset(all[i], (int)(i % 251), usable[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < usable[i]; k++) {
            assert_int_equal(all[i][k], i % 251);
        }
        assert_ok(aclrtFree(all[i]));
    }
}

/* A tensor that a program allocates with two bytes an element and calls INT32 is read with four. */
static void an_allocation_reads_as_zero_to_twice_its_size(void **state)
{
    static const size_t sizes[] = { 1, 63, 2000, 4095, 4096, 4097, 65536, 1000000, 3 << 20, 64 << 20 };
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned char *memory = NULL;
        unsigned char found = 0;
        assert_ok(aclrtMalloc((void **)&memory, sizes[i], ACL_MEM_MALLOC_HUGE_FIRST));
        assert_int_equal((uintptr_t)memory % (sizes[i] >= 65536 ? 4096 : 64), 0);
        for (size_t k = 0; k < 2 * sizes[i] + 64; k += sizes[i] > 100000 ? 1001 : 1) {
            found |= memory[k];
        }
        assert_int_equal(found | memory[2 * sizes[i] + 63], 0);
        memset(memory, 1, sizes[i]);
        assert_ok(aclrtFree(memory));
        assert_code(aclrtFree(memory), ACL_ERROR_RT_PARAM_INVALID);
    }
}

static void a_large_allocation_has_room_behind_it(void **state)
{
    const size_t size = (64 << 20) + 1;
    unsigned char *memory = NULL;
    (void)state;
    assert_ok(aclrtMalloc((void **)&memory, size, ACL_MEM_MALLOC_HUGE_FIRST));
    assert_int_equal(memory[size + 63], 0);
    assert_code(aclrtFree(memory + 4096), ACL_ERROR_RT_PARAM_INVALID);
    assert_ok(aclrtFree(memory));
}

static void every_policy_gives_memory_and_either_call_frees_it(void **state)
{
    (void)state;
    for (int policy = 0; policy <= 7; policy++) {
        void *memory = NULL;
        assert_ok(aclrtMalloc(&memory, 64, (aclrtMemMallocPolicy)policy));
        assert_ok(policy % 2 == 0 ? aclrtFree(memory) : aclrtFreeHost(memory));
    }
}

static void many_allocations_are_told_apart(void **state)
{
    enum { COUNT = 5000 };
    void **all = calloc(COUNT, sizeof(*all));
    (void)state;
    assert_non_null(all);
    for (size_t i = 0; i < COUNT; i++) {
        assert_ok(aclrtMalloc(&all[i], 1 + i % 70, ACL_MEM_MALLOC_NORMAL_ONLY));
    }
    for (size_t i = 0; i < COUNT; i++) {
        const size_t which = i * 2617 % COUNT;
        assert_ok(aclrtFree(all[which]));
        assert_code(aclrtFree(all[which]), ACL_ERROR_RT_PARAM_INVALID);
    }
    free(all);
}

/* All lengths and alignments around the two ways in which a copy is made, and every kind. */
static void copies_are_exact_for_every_length_alignment_and_kind(void **state)
{
    unsigned char source[128];
    unsigned char target[128];
    (void)state;
    for (size_t i = 0; i < sizeof(source); i++) {
        source[i] = (unsigned char)(i * 7 + 1);
    }
    for (size_t length = 0; length <= 40; length++) {
        for (size_t from = 0; from < 8; from++) {
            const aclrtMemcpyKind kind = (aclrtMemcpyKind)((length + from) % 5);
            const size_t to = (from * 3) % 8;
            memset(target, 0xEE, sizeof(target));
            assert_ok(aclrtMemcpy(target + to, length, source + from, length, kind));
            assert_memory_equal(target + to, source + from, length);
            assert_int_equal(target[to + length], 0xEE);
        }
    }
}

static void large_and_overlapping_copies_are_copies(void **state)
{
    enum { WORDS = 40000 };
    int32_t *words = calloc(WORDS + 1, sizeof(*words));
    (void)state;
    assert_non_null(words);
    for (int32_t i = 0; i < WORDS; i++) {
        words[i] = i;
    }
    assert_ok(aclrtMemcpy(words + 1, WORDS * 4, words, WORDS * 4, ACL_MEMCPY_DEVICE_TO_DEVICE));
    assert_int_equal(words[1], 0);
    assert_int_equal(words[WORDS], WORDS - 1);
    assert_ok(aclrtMemcpy(words, 400, words + 1, 400, ACL_MEMCPY_DEVICE_TO_DEVICE)); /* short enough for words */
    assert_int_equal(words[0], 0);
    assert_int_equal(words[99], 99);
    free(words);
}

static int32_t *map_words(int fd, size_t bytes)
{
    void *mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    return mapped;
}

/*
 * The first word is the flag of what follows it, so a copy must write it last. One memory mapped twice shows the order:
 * each word goes to where the next one is read, so from first to last they would all become the first.
 */
static void a_copy_writes_its_last_word_first(void **state)
{
    enum { WORDS = 16384 };
    const size_t bytes = WORDS * sizeof(int32_t);
    const int fd = memfd_create("order", MFD_CLOEXEC);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    int32_t *source = map_words(fd, bytes);
    int32_t *target = map_words(fd, bytes);
    for (int32_t i = 0; i < WORDS; i++) {
        source[i] = i + 1;
    }
    assert_ok(aclrtMemcpy(target + 1, bytes - 4, source, bytes - 4, ACL_MEMCPY_DEVICE_TO_DEVICE));
    assert_int_equal(target[0], 1);
    for (int32_t i = 1; i < WORDS; i++) {
        assert_int_equal(target[i], i);
    }
    assert_int_equal(munmap(source, bytes) + munmap(target, bytes) + close(fd), 0);
}

static void tensors_that_make_no_sense_are_not_made(void **state)
{
    const int64_t dims[2] = { 2, -1 };
    const int64_t huge[3] = { INT64_MAX, INT64_MAX, 2 };
    const int64_t none[3] = { 0, INT64_MAX, INT64_MAX };
    float data[4];
    (void)state;
    assert_null(aclCreateTensor(NULL, 1, ACL_FLOAT, NULL, 0, ACL_FORMAT_ND, NULL, 0, data));
    assert_message_has("viewDims is null with viewDimsNum 1");
    assert_null(aclCreateTensor(dims, 2, ACL_FLOAT, NULL, 0, ACL_FORMAT_ND, dims, 2, data));
    assert_message_has("viewDims[1] is -1");
    assert_null(aclCreateTensor(huge, 3, ACL_FLOAT, NULL, 0, ACL_FORMAT_ND, dims, 2, data));
    assert_message_has("more than 9223372036854775807");
    assert_null(aclCreateTensor(dims, 65, ACL_FLOAT, NULL, 0, ACL_FORMAT_ND, dims, 2, data));
    assert_message_has("viewDimsNum is 65|at most 64");
    assert_null(aclCreateTensor(dims, 1, ACL_FLOAT, NULL, -1, ACL_FORMAT_ND, dims, 1, data));
    assert_message_has("offset is -1");
    assert_null(aclCreateTensor(dims, 1, ACL_FLOAT, NULL, INT64_MAX, ACL_FORMAT_ND, dims, 1, data));
    assert_message_has("offset is 9223372036854775807");
    aclTensor *empty = aclCreateTensor(none, 3, ACL_FLOAT, none, 0, ACL_FORMAT_ND, none, 3, NULL);
    assert_non_null(empty);
    assert_ok(aclDestroyTensor(empty));
    assert_null(aclCreateIntArray(NULL, 2));
    assert_message_has("value is null with size 2");
    assert_null(aclCreateIntArray(dims, UINT64_MAX));
    assert_message_has("size is 18446744073709551615");
    assert_null(aclCreateScalar(NULL, ACL_FLOAT));
    assert_message_has("value is null");
    assert_null(aclCreateScalar(data, ACL_STRING));
    assert_message_has("dataType is 13");
}

static void data_types_have_their_sizes(void **state)
{
    static const struct {
        aclDataType type;
        size_t bytes;
    } sizes[] = {
        { ACL_FLOAT, 4 },  { ACL_FLOAT16, 2 }, { ACL_INT8, 1 },       { ACL_INT32, 4 },  { ACL_UINT8, 1 },
        { ACL_INT16, 2 },  { ACL_INT64, 8 },   { ACL_DOUBLE, 8 },     { ACL_BOOL, 1 },   { ACL_BF16, 2 },
        { ACL_STRING, 0 }, { ACL_INT4, 0 },    { ACL_COMPLEX128, 16 }, { (aclDataType)99, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(aclDataTypeSize(sizes[i].type), sizes[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_is_rounded_up_with_32_more_and_zeroed),
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(an_allocation_reads_as_zero_to_twice_its_size),
        cmocka_unit_test(a_large_allocation_has_room_behind_it),
        cmocka_unit_test(every_policy_gives_memory_and_either_call_frees_it),
        cmocka_unit_test(many_allocations_are_told_apart),
        cmocka_unit_test(copies_are_exact_for_every_length_alignment_and_kind),
        cmocka_unit_test(large_and_overlapping_copies_are_copies),
        cmocka_unit_test(a_copy_writes_its_last_word_first),
        cmocka_unit_test(tensors_that_make_no_sense_are_not_made),
        cmocka_unit_test(data_types_have_their_sizes),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
