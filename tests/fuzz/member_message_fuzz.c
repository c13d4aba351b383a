/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what a member sends to another. An input is a message or a knock as it comes in, of any length; what is
 * accepted has every field in its range and every text terminated and printable, and is a copy of what came. Of a knock
 * with another secret nothing is said but that.
 */
#include <string.h>

#include "fuzz.h"
#include "worker/member/message.h"

static void expect_text(const char *text, size_t text_bytes)
{
    size_t length = strnlen(text, text_bytes);
    fuzz_expect(length < text_bytes, "a text ends");
    for (size_t i = 0; i < length; i++) {
        fuzz_expect(text[i] >= ' ' && text[i] <= '~', "a text moves no cursor");
    }
}

static void expect_fields(const afd__message *message)
{
    fuzz_expect(message->magic == AFD__MESSAGE_MAGIC && message->version == AFD__MESSAGE_VERSION, "it is a message");
    fuzz_expect(message->kind >= AFD__MESSAGE_HELLO && message->kind <= AFD__MESSAGE_BEAT, "its kind is one");
    fuzz_expect(message->turn <= AFD__TURN_MAX, "a turn cannot wrap");
    fuzz_expect(message->status <= 0 && message->status >= AFD_ERR_PEER, "a status is an error or none");
    fuzz_expect(message->data_port <= UINT16_MAX, "a port is one");
    fuzz_expect(message->reason <= AFD_DROP_ASKED && message->anchored <= 1, "a reason is one");
    fuzz_expect(message->kind != AFD__MESSAGE_HELLO || message->epoch != 0, "a guest has an epoch");
    expect_text(message->text, sizeof(message->text));
    expect_text(message->window_name, sizeof(message->window_name));
    fuzz_expect(strchr(message->window_name, '/') == NULL && message->window_name[0] != '.', "a name leads nowhere");
}

static const char known_secret[] = "fuzz";

static bool shows_secret(const uint8_t *data)
{
    uint8_t expected[sizeof(afd__credentials)] = { sizeof(known_secret) - 1 }; /* the length, then 0 */
    memcpy(expected + 8, known_secret, sizeof(known_secret) - 1);
    return memcmp(data + sizeof(afd__message), expected, sizeof(expected)) == 0;
}

static void knock(const uint8_t *data, size_t size)
{
    afd__message hello;
    afd__credentials asked;
    afd_error error = { .message = "" };
    memset(&hello, 0x5A, sizeof(hello));
    afd__message before = hello;
    afd__credentials_set(&asked, known_secret, sizeof(known_secret) - 1);
    afd_status status = afd__knock_check(data, size, &asked, &hello, &error);
    if (status == AFD_OK) {
        fuzz_expect(size == sizeof(afd__knock) && shows_secret(data), "who is believed has shown the secret");
        fuzz_expect(memcmp(&hello, data, sizeof(hello)) == 0, "what is accepted is what came");
        fuzz_expect(hello.kind == AFD__MESSAGE_HELLO && hello.window_key == 0 && hello.window_name[0] == '\0',
                    "it says hello, and offers no window");
        expect_fields(&hello);
        return;
    }
    fuzz_expect(memcmp(&hello, &before, sizeof(hello)) == 0, "what is refused is not copied");
    if (status == AFD_ERR_ACCESS) {
        fuzz_expect(size == sizeof(afd__knock) && !shows_secret(data), "only a wrong secret is called one");
        fuzz_expect(strcmp(error.message, "the secret is wrong") == 0, "and nothing else is said");
    } else {
        fuzz_expect(status == AFD_ERR_INVALID && error.message[0] != '\0', "a refusal says why");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    knock(data, size);
    afd__message message;
    afd_error error = { .message = "" };
    memset(&message, 0x5A, sizeof(message));
    afd__message before = message;
    afd_status status = afd__message_check(data, size, &message, &error);
    if (status == AFD_OK) {
        fuzz_expect(size == sizeof(message) && memcmp(&message, data, size) == 0, "what is accepted is what came");
        expect_fields(&message);
    } else {
        fuzz_expect(status == AFD_ERR_INVALID && error.message[0] != '\0', "a refusal says why");
        fuzz_expect(memcmp(&message, &before, sizeof(message)) == 0, "what is refused is not copied");
    }
    return 0;
}
