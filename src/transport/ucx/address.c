/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/ucx/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum { HOST_BYTES = 256, PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

/* A text taken apart. */
typedef struct parts {
    char host[HOST_BYTES]; /* without the brackets of an IPv6 address; "" and "*" as they are */
    uint16_t port;
    bool is_bracketed;
} parts;

bool afd__address_is_one(const char *text)
{
    return text != NULL && strchr(text, ':') != NULL;
}

static afd_status fail_form(const char *text, const char *what, afd_error *error)
{
    return afd__fail(error, AFD_ERR_INVALID, "address", 0, 0, "'%.100s' is no address HOST:PORT: %s", text, what);
}

static afd_status parse_port(const char *text, const char *digits, bool to_listen, uint16_t *port, afd_error *error)
{
    const size_t digit_num = strspn(digits, "0123456789");
    uint32_t number = 0;
    if (digit_num == 0 || digits[digit_num] != '\0') {
        return fail_form(text, "the port is no number", error);
    }
    for (size_t i = 0; i < digit_num && i <= PORT_DIGITS_MAX; i++) {
        number = number * 10 + (uint32_t)(digits[i] - '0');
    }
    if (digit_num > PORT_DIGITS_MAX || number > PORT_MAX) {
        return afd__fail(error, AFD_ERR_INVALID, "address.port", number, PORT_MAX,
                         "the port of '%.100s' is larger than %d", text, PORT_MAX);
    }
    if (number == 0 && !to_listen) {
        return afd__fail(error, AFD_ERR_INVALID, "address.port", 0, 1, "nobody can be reached at port 0 of '%.100s'",
                         text);
    }
    *port = (uint16_t)number;
    return AFD_OK;
}

static afd_status take_apart(const char *text, bool to_listen, parts *found, afd_error *error)
{
    const char *colon = strrchr(text, ':');
    const char *host = text;
    if (colon == NULL) {
        return fail_form(text, "it has no colon", error);
    }
    size_t host_bytes = (size_t)(colon - text);
    found->is_bracketed = text[0] == '[';
    if (found->is_bracketed) {
        if (host_bytes < 2 || colon[-1] != ']') {
            return fail_form(text, "what begins with [ goes on with ]:PORT", error);
        }
        host++;
        host_bytes -= 2;
    }
    if (host_bytes >= sizeof(found->host)) {
        return afd__fail(error, AFD_ERR_INVALID, "address.host", host_bytes, sizeof(found->host) - 1,
                         "the host of an address has %zu bytes, at most %zu are allowed", host_bytes,
                         sizeof(found->host) - 1);
    }
    memcpy(found->host, host, host_bytes);
    found->host[host_bytes] = '\0';
    if (!found->is_bracketed && strchr(found->host, ':') != NULL) {
        return fail_form(text, "an IPv6 address is written in brackets, [fd00::2]:7000", error);
    }
    return parse_port(text, colon + 1, to_listen, &found->port, error);
}

/* A host that stands for itself only to listen: "" for the loopback and "*" for every interface. */
static bool is_short(const parts *found)
{
    return !found->is_bracketed && (found->host[0] == '\0' || strcmp(found->host, "*") == 0);
}

static void listen_shortly(const parts *found, afd__address *address)
{
    struct sockaddr_in internet = { .sin_family = AF_INET };
    internet.sin_addr.s_addr = htonl(found->host[0] == '*' ? INADDR_ANY : INADDR_LOOPBACK);
    memcpy(&address->socket, &internet, sizeof(internet));
    address->socket_bytes = sizeof(internet);
}

static afd_status fail_resolve(const parts *found, int problem, int system_error, afd_error *error)
{
    if (problem == EAI_SYSTEM) {
        return afd__fail_system(error, system_error, "address.host", "ask for the address of a host");
    }
    if (problem == EAI_MEMORY) {
        return afd__fail_system(error, ENOMEM, "address.host", "ask for the address of a host");
    }
    return afd__fail(error, AFD_ERR_NOT_FOUND, "address.host", 0, 0, "no address is known of the host '%.100s': %s",
                     found->host, gai_strerror(problem));
}

/* Of several addresses the first IPv4 one, because UCX prefers those too: then "localhost" is the same to who listens
 * and to who connects, whatever order a host's files have. */
static const struct addrinfo *choose(const struct addrinfo *list)
{
    for (const struct addrinfo *one = list; one != NULL; one = one->ai_next) {
        if (one->ai_family == AF_INET) {
            return one;
        }
    }
    return list;
}

static afd_status resolve(const parts *found, afd__address *address, afd_error *error)
{
    const struct addrinfo wanted = {
        .ai_family = found->is_bracketed ? AF_INET6 : AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = found->is_bracketed ? AI_NUMERICHOST : 0,
    };
    struct addrinfo *list;
    int problem = getaddrinfo(found->host, NULL, &wanted, &list);
    if (problem != 0) {
        return fail_resolve(found, problem, errno, error);
    }
    const struct addrinfo *chosen = choose(list);
    memcpy(&address->socket, chosen->ai_addr, chosen->ai_addrlen);
    address->socket_bytes = chosen->ai_addrlen;
    freeaddrinfo(list);
    return AFD_OK;
}

void afd__address_write_host(const struct sockaddr_storage *socket, char *text, size_t text_bytes)
{
    if (getnameinfo((const struct sockaddr *)socket, sizeof(*socket), text, (socklen_t)text_bytes, NULL, 0,
                    NI_NUMERICHOST) != 0) {
        text[0] = '\0';
    }
}

static void write_text(afd__address *address)
{
    char host[AFD__HOST_TEXT_BYTES];
    const bool is_v6 = address->socket.ss_family == AF_INET6;
    afd__address_write_host(&address->socket, host, sizeof(host));
    if (host[0] == '\0') {
        (void)snprintf(host, sizeof(host), "?");
    }
    (void)snprintf(address->text, sizeof(address->text), is_v6 ? "[%s]:%u" : "%s:%u", host,
                   (unsigned)afd__address_port(address));
}

afd_status afd__address_parse(const char *text, bool to_listen, afd__address *address, afd_error *error)
{
    parts found;
    afd__address made;
    if (text == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "address", 0, 0, "address is NULL");
    }
    afd_status status = take_apart(text, to_listen, &found, error);
    if (status != AFD_OK) {
        return status;
    }
    memset(&made, 0, sizeof(made));
    if (!is_short(&found)) {
        status = found.host[0] == '\0' ? fail_form(text, "there is nothing in the brackets", error)
                                       : resolve(&found, &made, error);
    } else if (to_listen) {
        listen_shortly(&found, &made);
    } else {
        status = fail_form(text, "without a host one can listen, but not connect", error);
    }
    if (status != AFD_OK) {
        return status;
    }
    afd__address_set_port(&made, found.port);
    *address = made;
    return AFD_OK;
}

static const struct sockaddr_in *v4_of(const afd__address *address)
{
    return (const struct sockaddr_in *)&address->socket;
}

static const struct sockaddr_in6 *v6_of(const afd__address *address)
{
    return (const struct sockaddr_in6 *)&address->socket;
}

uint16_t afd__address_port(const afd__address *address)
{
    return ntohs(address->socket.ss_family == AF_INET6 ? v6_of(address)->sin6_port : v4_of(address)->sin_port);
}

void afd__address_set_port(afd__address *address, uint16_t port)
{
    if (address->socket.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&address->socket)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)&address->socket)->sin_port = htons(port);
    }
    write_text(address);
}

static bool is_loopback_v4(uint32_t network_order)
{
    return ntohl(network_order) >> 24 == IN_LOOPBACKNET;
}

bool afd__address_is_loopback(const afd__address *address)
{
    if (address->socket.ss_family == AF_INET) {
        return is_loopback_v4(v4_of(address)->sin_addr.s_addr);
    }
    const struct in6_addr *host = &v6_of(address)->sin6_addr;
    uint32_t mapped;
    memcpy(&mapped, host->s6_addr + 12, sizeof(mapped));
    return IN6_IS_ADDR_LOOPBACK(host) || (IN6_IS_ADDR_V4MAPPED(host) && is_loopback_v4(mapped));
}

bool afd__address_is_v6(const afd__address *address)
{
    return address->socket.ss_family == AF_INET6;
}

bool afd__address_is_any(const afd__address *address)
{
    return address->socket.ss_family == AF_INET ? v4_of(address)->sin_addr.s_addr == htonl(INADDR_ANY)
                                                : IN6_IS_ADDR_UNSPECIFIED(&v6_of(address)->sin6_addr);
}
