/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses between hosts, and the network devices that they are at. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "cmocka_headers.h"
#include "transport/ucx/address.h"

static void a_colon_tells_an_address_from_a_name(void **state)
{
    (void)state;
    assert_true(afd__address_is_one("a:1"));
    assert_true(afd__address_is_one(":0"));
    assert_false(afd__address_is_one("ffn-0"));
    assert_false(afd__address_is_one(""));
    assert_false(afd__address_is_one(NULL));
}

static void good_texts_become_numeric(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool to_listen;
        const char *numeric;
        uint16_t port;
        bool is_loopback;
        bool is_any;
    } good[] = {
        { "10.0.0.2:7000", false, "10.0.0.2:7000", 7000, false, false },
        { "10.0.0.2:65535", true, "10.0.0.2:65535", 65535, false, false },
        { "127.0.0.1:1", false, "127.0.0.1:1", 1, true, false },
        { "127.9.8.7:0", true, "127.9.8.7:0", 0, true, false },
        { "localhost:7000", false, "127.0.0.1:7000", 7000, true, false },
        { "[::1]:7000", false, "[::1]:7000", 7000, true, false },
        { "[fd00::2]:7000", false, "[fd00::2]:7000", 7000, false, false },
        { "[::ffff:127.0.0.1]:7", false, "[::ffff:127.0.0.1]:7", 7, true, false },
        { "[fd00:0:0::0002]:00080", false, "[fd00::2]:80", 80, false, false },
        { ":7000", true, "127.0.0.1:7000", 7000, true, false },
        { ":0", true, "127.0.0.1:0", 0, true, false },
        { "*:7000", true, "0.0.0.0:7000", 7000, false, true },
        { "0.0.0.0:7000", true, "0.0.0.0:7000", 7000, false, true },
        { "[::]:7000", true, "[::]:7000", 7000, false, true },
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        afd__address address;
        afd_error error;
        if (afd__address_parse(good[i].text, good[i].to_listen, &address, &error) != AFD_OK) {
            fail_msg("%s: %s", good[i].text, error.message);
        }
        assert_string_equal(address.text, good[i].numeric);
        assert_int_equal(afd__address_port(&address), good[i].port);
        assert_int_equal(afd__address_is_loopback(&address), good[i].is_loopback);
        assert_int_equal(afd__address_is_any(&address), good[i].is_any);
    }
}

static void bad_texts_are_refused_with_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool to_listen;
        afd_status status;
        const char *why;
    } bad[] = {
        { "10.0.0.2", false, AFD_ERR_INVALID, "it has no colon" },
        { "", true, AFD_ERR_INVALID, "it has no colon" },
        { "10.0.0.2:", false, AFD_ERR_INVALID, "the port is no number" },
        { "10.0.0.2:http", false, AFD_ERR_INVALID, "the port is no number" },
        { "10.0.0.2:70 ", false, AFD_ERR_INVALID, "the port is no number" },
        { "10.0.0.2:-1", false, AFD_ERR_INVALID, "the port is no number" },
        { "10.0.0.2:+1", false, AFD_ERR_INVALID, "the port is no number" },
        { "10.0.0.2:65536", false, AFD_ERR_INVALID, "larger than 65535" },
        { "10.0.0.2:4294967297", false, AFD_ERR_INVALID, "larger than 65535" },
        { "10.0.0.2:99999999999999999999999", false, AFD_ERR_INVALID, "larger than 65535" },
        { "10.0.0.2:0", false, AFD_ERR_INVALID, "nobody can be reached at port 0" },
        { "fd00::2:7000", false, AFD_ERR_INVALID, "an IPv6 address is written in brackets" },
        { "[fd00::2]7000", false, AFD_ERR_INVALID, "what begins with [ goes on with ]:PORT" },
        { "[fd00::2:7000", false, AFD_ERR_INVALID, "what begins with [ goes on with ]:PORT" },
        { "[]:7000", false, AFD_ERR_INVALID, "there is nothing in the brackets" },
        { "[", false, AFD_ERR_INVALID, "it has no colon" },
        { "[:7000", false, AFD_ERR_INVALID, "what begins with [ goes on with ]:PORT" },
        { "[10.0.0.2]:7000", false, AFD_ERR_NOT_FOUND, "no address is known of the host" },
        { "[*]:7000", true, AFD_ERR_NOT_FOUND, "no address is known of the host" },
        { ":7000", false, AFD_ERR_INVALID, "without a host one can listen, but not connect" },
        { "*:7000", false, AFD_ERR_INVALID, "without a host one can listen, but not connect" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        afd__address address = { .text = "as it was" };
        afd_error error = { .message = "" };
        afd_status status = afd__address_parse(bad[i].text, bad[i].to_listen, &address, &error);
        if (status != bad[i].status || strstr(error.message, bad[i].why) == NULL) {
            fail_msg("'%s' gives %d: %s", bad[i].text, status, error.message);
        }
        assert_string_equal(address.text, "as it was");
    }
    assert_int_equal(afd__address_parse(NULL, true, &(afd__address){ 0 }, NULL), AFD_ERR_INVALID);
}

static void a_host_that_is_too_long_is_not_cut_off(void **state)
{
    (void)state;
    char text[2000];
    afd__address address;
    afd_error error;
    memset(text, 'a', sizeof(text));
    memcpy(text + sizeof(text) - 6, ":7000", 6);
    assert_int_equal(afd__address_parse(text, false, &address, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "address.host");
    assert_int_equal(error.value, sizeof(text) - 6);
    assert_int_equal(error.bound, 255);
}

static void a_port_is_changed_with_its_text(void **state)
{
    (void)state;
    afd__address address;
    assert_int_equal(afd__address_parse("[::1]:7000", false, &address, NULL), AFD_OK);
    afd__address_set_port(&address, 65535);
    assert_int_equal(afd__address_port(&address), 65535);
    assert_string_equal(address.text, "[::1]:65535");
    assert_int_equal(afd__address_parse("10.0.0.2:7000", false, &address, NULL), AFD_OK);
    afd__address_set_port(&address, 7001);
    assert_string_equal(address.text, "10.0.0.2:7001");
}

static void the_loopback_has_a_device_and_every_address_has_none(void **state)
{
    (void)state;
    char name[AFD__DEVICE_NAME_BYTES];
    afd__address address;
    assert_int_equal(afd__address_parse(":7000", true, &address, NULL), AFD_OK);
    assert_int_equal(afd__address_device(&address, true, name, sizeof(name), NULL), AFD_OK);
    assert_string_equal(name, "lo");
    assert_int_equal(afd__address_device(&address, false, name, sizeof(name), NULL), AFD_OK);
    assert_string_equal(name, "lo");
    assert_int_equal(afd__address_parse("127.1.2.3:7000", true, &address, NULL), AFD_OK);
    assert_int_equal(afd__address_device(&address, true, name, sizeof(name), NULL), AFD_OK);
    assert_string_equal(name, "lo");
    assert_int_equal(afd__address_parse("*:7000", true, &address, NULL), AFD_OK);
    assert_int_equal(afd__address_device(&address, true, name, sizeof(name), NULL), AFD_OK);
    assert_string_equal(name, "");
}

static void an_address_of_another_host_is_at_no_device(void **state)
{
    (void)state;
    char name[AFD__DEVICE_NAME_BYTES];
    afd__address address;
    afd_error error;
    /* Kept for documentation: no host has it. */
    assert_int_equal(afd__address_parse("192.0.2.1:7000", true, &address, NULL), AFD_OK);
    assert_int_equal(afd__address_device(&address, true, name, sizeof(name), &error), AFD_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "192.0.2.1:7000"));
}

static void addresses_that_ucx_cannot_use_are_refused(void **state)
{
    (void)state;
    static const char *const unusable[] = { "[::]:7", "[::1]:7", "[fe80::1]:7", "[::ffff:127.0.0.1]:7" };
    char name[AFD__DEVICE_NAME_BYTES];
    for (size_t i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++) {
        afd__address address;
        afd_error error;
        assert_int_equal(afd__address_parse(unusable[i], true, &address, NULL), AFD_OK);
        assert_int_equal(afd__address_device(&address, true, name, sizeof(name), &error), AFD_ERR_INVALID);
        assert_non_null(strstr(error.message, unusable[i]));
    }
}

static void a_name_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    char name[2] = "x";
    afd__address address;
    afd_error error;
    assert_int_equal(afd__address_parse(":7000", true, &address, NULL), AFD_OK);
    assert_int_equal(afd__address_device(&address, true, name, sizeof(name), &error), AFD_ERR_INVALID);
    assert_int_equal(error.bound, 3);
    assert_string_equal(name, "x");
    assert_int_equal(afd__address_device(&address, true, name, 0, &error), AFD_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_colon_tells_an_address_from_a_name),
        cmocka_unit_test(good_texts_become_numeric),
        cmocka_unit_test(bad_texts_are_refused_with_what_is_wrong),
        cmocka_unit_test(a_host_that_is_too_long_is_not_cut_off),
        cmocka_unit_test(a_port_is_changed_with_its_text),
        cmocka_unit_test(the_loopback_has_a_device_and_every_address_has_none),
        cmocka_unit_test(an_address_of_another_host_is_at_no_device),
        cmocka_unit_test(addresses_that_ucx_cannot_use_are_refused),
        cmocka_unit_test(a_name_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("ucx_address", tests, NULL, NULL);
}
