/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visits the door of an FFN worker as those do who have no business there (wire_rogue.h), all kinds in turn:
 *
 *     rogue HOST:PORT TOKEN-FILE VISITS SEED [PORT]...    PORT: where UCX listens on that host, too
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/member.h"
#include "wire_rogue.h"

/* As the program reads it. */
static size_t read_secret(const char *path, char secret[AFD_SECRET_BYTES_MAX])
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    size_t byte_num = fread(secret, 1, AFD_SECRET_BYTES_MAX, file);
    (void)fclose(file);
    return byte_num - (byte_num > 0 && secret[byte_num - 1] == '\n');
}

int main(int argc, char **argv)
{
    static char secret[AFD_SECRET_BYTES_MAX];
    uint32_t num_of_kind[WIRE_VISIT_NUM] = { 0 };
    if (argc < 5) {
        fprintf(stderr, "usage: rogue HOST:PORT TOKEN-FILE VISITS SEED [PORT]...\n");
        return 2;
    }
    const size_t secret_bytes = read_secret(argv[2], secret);
    const uint32_t visit_num = (uint32_t)strtoul(argv[3], NULL, 10);
    wire_rogue *rogue = wire_rogue_create(argv[1], secret, secret_bytes, strtoull(argv[4], NULL, 10));
    if (rogue == NULL) {
        return 77;
    }
    for (int i = 5; i < argc; i++) {
        wire_rogue_add_port(rogue, (uint16_t)strtoul(argv[i], NULL, 10));
    }
    for (uint32_t i = 0; i < visit_num; i++) {
        wire_rogue_visit(rogue, (wire_visit)(i % WIRE_VISIT_NUM));
        num_of_kind[i % WIRE_VISIT_NUM]++;
    }
    wire_rogue_free(rogue);
    for (wire_visit visit = 0; visit < WIRE_VISIT_NUM; visit++) {
        printf("%5" PRIu32 " %s\n", num_of_kind[visit], wire_visit_text(visit));
    }
    return 0;
}
