/* SPDX-License-Identifier: Apache-2.0 */
/* Which network device an address is at. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "transport/ucx/address.h"

static bool is_same_host(const struct sockaddr *one, const struct sockaddr_storage *other)
{
    if (one == NULL || one->sa_family != other->ss_family) {
        return false;
    }
    if (one->sa_family == AF_INET) {
        return ((const struct sockaddr_in *)(const void *)one)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)other)->sin_addr.s_addr;
    }
    return one->sa_family == AF_INET6 &&
           IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)(const void *)one)->sin6_addr,
                              &((const struct sockaddr_in6 *)other)->sin6_addr);
}

/* The loopback has all of 127.0.0.0/8, and only one address of it is in the list. */
static bool has_address(const struct ifaddrs *entry, const afd__address *address)
{
    return is_same_host(entry->ifa_addr, &address->socket) ||
           ((entry->ifa_flags & IFF_LOOPBACK) != 0 && afd__address_is_loopback(address));
}

static afd_status find_local(const afd__address *address, char *name, size_t name_bytes, afd_error *error)
{
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0) {
        return afd__fail_system(error, errno, "address", "list the network devices");
    }
    const struct ifaddrs *entry = list;
    while (entry != NULL && !has_address(entry, address)) {
        entry = entry->ifa_next;
    }
    /* A second address of eth0 may be listed under a label of its own, "eth0:1". */
    size_t length = entry == NULL ? 0 : strcspn(entry->ifa_name, ":");
    const bool fits = length < name_bytes;
    if (entry != NULL && fits) {
        memcpy(name, entry->ifa_name, length);
        name[length] = '\0';
    }
    freeifaddrs(list);
    if (length == 0) {
        return afd__fail(error, AFD_ERR_NOT_FOUND, "address", 0, 0, "no network device of this host has the address %s",
                         address->text);
    }
    return fits ? AFD_OK
                : afd__fail(error, AFD_ERR_INVALID, "name_bytes", name_bytes, length + 1,
                            "the name of a network device takes %zu bytes", length + 1);
}

/* Which of this host's addresses the way to `remote` begins at: connecting a datagram socket asks for the route and
 * sends nothing. */
static afd_status find_source(const afd__address *remote, afd__address *source, afd_error *error)
{
    int fd = socket(remote->socket.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return afd__fail_system(error, errno, "address", "make a socket");
    }
    *source = *remote;
    int problem = 0;
    if (connect(fd, (const struct sockaddr *)&remote->socket, remote->socket_bytes) != 0 ||
        getsockname(fd, (struct sockaddr *)&source->socket, &source->socket_bytes) != 0) {
        problem = errno;
    }
    (void)close(fd);
    if (problem == ENETUNREACH || problem == EHOSTUNREACH || problem == EADDRNOTAVAIL) {
        return afd__fail(error, AFD_ERR_NOT_FOUND, "address", 0, 0, "no network device leads to %s", remote->text);
    }
    return problem == 0 ? AFD_OK : afd__fail_system(error, problem, "address", "look for the way to an address");
}

/* For reasons of UCX's, which the header has. */
static bool is_usable(const afd__address *address)
{
    const struct in6_addr *host = &((const struct sockaddr_in6 *)&address->socket)->sin6_addr;
    return !afd__address_is_v6(address) ||
           !(IN6_IS_ADDR_UNSPECIFIED(host) || IN6_IS_ADDR_LOOPBACK(host) || IN6_IS_ADDR_LINKLOCAL(host) ||
             IN6_IS_ADDR_V4MAPPED(host));
}

afd_status afd__address_device(const afd__address *address, bool is_local, char *name, size_t name_bytes,
                               afd_error *error)
{
    afd__address source = *address;
    if (name_bytes == 0) {
        return afd__fail(error, AFD_ERR_INVALID, "name_bytes", 0, 1, "there is no room for the name of a device");
    }
    if (!is_usable(address)) {
        return afd__fail(error, AFD_ERR_INVALID, "address", 0, 0,
                         "UCX cannot use the address %s; of IPv6 it uses what is neither the loopback's nor link-local",
                         address->text);
    }
    if (afd__address_is_any(address)) {
        name[0] = '\0';
        return AFD_OK;
    }
    if (!is_local) {
        afd_status status = find_source(address, &source, error);
        if (status != AFD_OK) {
            return status;
        }
    }
    return find_local(&source, name, name_bytes, error);
}
