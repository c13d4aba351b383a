/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one JSON value from stdin, strictly, and prints what stands at a path in it, on one line:
 *     afd inspect --json x | json_get flags 2 1
 * Ends with 1 if the text is no JSON, has a key twice, or has nothing at the path.
 */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *root = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        (void)fprintf(stderr, "json_get: line %d: %s\n", error.line, error.text);
        return 1;
    }
    const json_t *value = root;
    for (int i = 1; i < argc && value != NULL; i++) {
        value = json_is_array(value) ? json_array_get(value, (size_t)strtoul(argv[i], NULL, 10))
                                     : json_object_get(value, argv[i]);
        if (value == NULL) {
            (void)fprintf(stderr, "json_get: there is no %s\n", argv[i]);
        }
    }
    int result = value == NULL ? 1 : 0;
    if (value != NULL) {
        (void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        (void)putchar('\n');
    }
    json_decref(root);
    return result;
}
