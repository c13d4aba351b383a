/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/ucx/allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"

enum { PART_BYTES = INET6_ADDRSTRLEN + sizeof("/128"), V4_AT = 12, V4_BITS = 32, V6_BITS = 128 };

static void map_v4(const void *v4, uint8_t *bytes)
{
    memset(bytes, 0, V4_AT);
    bytes[V4_AT - 2] = 0xFF;
    bytes[V4_AT - 1] = 0xFF;
    memcpy(bytes + V4_AT, v4, V4_BITS / 8);
}

/* The bits behind a '/', at most bit_max; false: it is no such number. */
static bool parse_bits(const char *text, uint32_t bit_max, uint32_t *bit_num)
{
    const size_t digit_num = strspn(text, "0123456789");
    *bit_num = 0;
    if (digit_num == 0 || digit_num > 3 || text[digit_num] != '\0') {
        return false;
    }
    for (size_t i = 0; i < digit_num; i++) {
        *bit_num = *bit_num * 10 + (uint32_t)(text[i] - '0');
    }
    return *bit_num <= bit_max;
}

static bool bit_of(const uint8_t *bytes, uint32_t bit)
{
    return (bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

/* A bit behind the network's own is most likely a mistake in one of the two, so it is refused. */
static bool ends_in_zeros(const afd__network *network)
{
    uint32_t bit = network->bit_num;
    while (bit < V6_BITS && !bit_of(network->bytes, bit)) {
        bit++;
    }
    return bit == V6_BITS;
}

static bool parse_network(char *text, afd__network *network)
{
    struct in_addr v4;
    char *slash = strchr(text, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    const bool is_v4 = inet_pton(AF_INET, text, &v4) == 1;
    const uint32_t bit_max = is_v4 ? V4_BITS : V6_BITS;
    uint32_t bit_num = bit_max;
    if (!is_v4 && inet_pton(AF_INET6, text, network->bytes) != 1) {
        return false;
    }
    if (slash != NULL && !parse_bits(slash + 1, bit_max, &bit_num)) {
        return false;
    }
    if (is_v4) {
        map_v4(&v4, network->bytes);
    }
    network->bit_num = bit_num + (V6_BITS - bit_max);
    return ends_in_zeros(network);
}

afd_status afd__allow_parse(const char *text, afd__allow *allow, afd_error *error)
{
    const char *rest = text;
    *allow = (afd__allow){ .num = 0 };
    while (rest != NULL) {
        char part[PART_BYTES];
        const size_t length = strcspn(rest, ",");
        if (allow->num == AFD__ALLOW_MAX) {
            return afd__fail(error, AFD_ERR_INVALID, "options.allow", AFD__ALLOW_MAX + 1, AFD__ALLOW_MAX,
                             "options.allow names more than %d networks", AFD__ALLOW_MAX);
        }
        const bool fits = length < sizeof(part);
        if (fits) {
            memcpy(part, rest, length);
            part[length] = '\0';
        }
        if (!fits || !parse_network(part, &allow->networks[allow->num])) {
            return afd__fail(error, AFD_ERR_INVALID, "options.allow", allow->num, 0,
                             "options.allow has '%.*s', must be an address, 10.0.0.7, or a network, 10.0.0.0/24",
                             (int)(fits ? length : sizeof(part)), rest);
        }
        allow->num++;
        rest = rest[length] == ',' ? rest + length + 1 : NULL;
    }
    return AFD_OK;
}

static bool is_in(const afd__network *network, const uint8_t *bytes)
{
    uint32_t bit = 0;
    while (bit < network->bit_num && bit_of(network->bytes, bit) == bit_of(bytes, bit)) {
        bit++;
    }
    return bit == network->bit_num;
}

bool afd__allow_has(const afd__allow *allow, const struct sockaddr_storage *address)
{
    uint8_t bytes[V6_BITS / 8];
    bool has = allow->num == 0;
    if (address->ss_family == AF_INET) {
        map_v4(&((const struct sockaddr_in *)address)->sin_addr, bytes);
    } else if (address->ss_family == AF_INET6) {
        memcpy(bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof(bytes));
    } else {
        return has;
    }
    for (uint32_t i = 0; !has && i < allow->num; i++) {
        has = is_in(&allow->networks[i], bytes);
    }
    return has;
}
