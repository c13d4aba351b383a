/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of its corpus, for builds without libFuzzer:  replay FILE_OR_FOLDER...
 * A folder that cannot be read, and a run over no input at all, are failures.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { INPUT_BYTES_MAX = 1 << 20, PATH_BYTES = 4096 };

static int input_num;

static void replay_file(const char *path)
{
    static uint8_t bytes[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    /* A block of exactly its size, so that AddressSanitizer sees a target that reads past its input. */
    uint8_t *input = malloc(length + (length == 0));
    fuzz_expect(input != NULL, "no memory for an input");
    memcpy(input, bytes, length);
    (void)fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(input, length);
    free(input);
    input_num++;
}

static void replay_folder(const char *path)
{
    char entry_path[PATH_BYTES];
    DIR *folder = opendir(path);
    if (folder == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] != '.') {
            (void)snprintf(entry_path, sizeof(entry_path), "%s/%s", path, entry->d_name);
            replay_file(entry_path);
        }
    }
    (void)closedir(folder);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat status;
        if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode)) {
            replay_folder(argv[i]);
        } else {
            replay_file(argv[i]);
        }
    }
    (void)printf("%d inputs\n", input_num);
    return input_num > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
