/* SPDX-License-Identifier: Apache-2.0 */
/* From which hosts connections are taken. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cmocka_headers.h"
#include "transport/ucx/allow.h"

static bool has(const afd__allow *allow, const char *host)
{
    struct sockaddr_storage address;
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    memset(&address, 0, sizeof(address));
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(&address, &v4, sizeof(v4));
    } else {
        assert_int_equal(inet_pton(AF_INET6, host, &v6.sin6_addr), 1);
        memcpy(&address, &v6, sizeof(v6));
    }
    return afd__allow_has(allow, &address);
}

static void hosts_of_the_networks_are_in_and_no_others(void **state)
{
    afd__allow allow;
    (void)state;
    assert_int_equal(afd__allow_parse("10.0.0.0/24,10.1.2.7,192.168.128.0/17,fd00::/63,fd09::7", &allow, NULL), AFD_OK);
    assert_int_equal(allow.num, 5);
    const char *in[] = { "10.0.0.0", "10.0.0.255", "10.1.2.7", "192.168.128.1", "192.168.255.255", "fd00::1",
                         "fd00:0:0:1:ffff::", "fd09::7", "::ffff:10.1.2.7" };
    const char *out[] = { "10.0.1.0", "9.255.255.255", "10.1.2.6", "10.1.2.8", "192.168.127.255", "192.169.0.0",
                          "fd00:0:0:2::", "fd09::6", "::10.1.2.7", "127.0.0.1", "::1" };
    for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
        assert_true(has(&allow, in[i]));
    }
    for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
        assert_false(has(&allow, out[i]));
    }
    const struct sockaddr_storage other = { .ss_family = AF_UNIX };
    assert_false(afd__allow_has(&allow, &other));
}

static void without_a_list_and_with_no_bits_every_host_is_in(void **state)
{
    afd__allow allow;
    (void)state;
    assert_int_equal(afd__allow_parse(NULL, &allow, NULL), AFD_OK);
    assert_true(has(&allow, "10.0.0.1") && has(&allow, "fd00::1"));
    assert_int_equal(afd__allow_parse("0.0.0.0/0", &allow, NULL), AFD_OK);
    assert_true(has(&allow, "255.0.0.1"));
    assert_false(has(&allow, "fd00::1"));
    assert_int_equal(afd__allow_parse("::/0", &allow, NULL), AFD_OK);
    assert_true(has(&allow, "255.0.0.1") && has(&allow, "fd00::1"));
}

static void what_is_no_network_is_refused(void **state)
{
    static const char *const wrong[] = {
        "", ",", "10.0.0.1,", "10.0.0", "host", "10.0.0.0/33", "10.0.0.0/", "fd00::/129", "10.0.0.1/24", "fd00::1/64",
        "10.0.0.0/1e", "10.0.0.0/0008", "10.0.0.0/-1", " 10.0.0.1", "10.0.0.1:7000",
        "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        afd__allow allow;
        afd_error error;
        assert_int_equal(afd__allow_parse(wrong[i], &allow, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "options.allow");
    }
}

static void there_is_room_for_so_many_networks(void **state)
{
    char text[(AFD__ALLOW_MAX + 1) * sizeof("10.0.0.100")] = "";
    afd__allow allow;
    afd_error error;
    (void)state;
    for (int i = 0; i < AFD__ALLOW_MAX; i++) {
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s10.0.0.%d", i == 0 ? "" : ",", i);
    }
    assert_int_equal(afd__allow_parse(text, &allow, NULL), AFD_OK);
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ",10.0.0.99");
    assert_int_equal(afd__allow_parse(text, &allow, &error), AFD_ERR_INVALID);
    assert_int_equal(error.value, AFD__ALLOW_MAX + 1);
    assert_int_equal(error.bound, AFD__ALLOW_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_of_the_networks_are_in_and_no_others),
        cmocka_unit_test(without_a_list_and_with_no_bits_every_host_is_in),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(there_is_room_for_so_many_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
