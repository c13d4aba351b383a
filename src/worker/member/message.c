/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/member/message.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "afd/wait.h"
#include "base/check.h"
#include "base/error.h"
#include "window/shm.h"

static_assert(sizeof(afd__message) == 448, "a message has one size in all versions");
static_assert(offsetof(afd__message, version) == 8, "the version is found in every version");
static_assert(offsetof(afd__message, shape) == 96 && offsetof(afd__message, text) == 192, "no holes");
static_assert(sizeof(afd__credentials) == 8 + AFD_SECRET_BYTES_MAX && offsetof(afd__knock, credentials) == 448 &&
                  sizeof(afd__knock) == 712,
              "a knock has one size");

afd__message afd__message_make(afd__message_kind kind, uint64_t epoch)
{
    return (afd__message){
        .magic = AFD__MESSAGE_MAGIC,
        .version = AFD__MESSAGE_VERSION,
        .kind = (uint32_t)kind,
        .epoch = epoch,
    };
}

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

void afd__message_set_text(afd__message *message, const char *text)
{
    size_t length = strnlen(text, sizeof(message->text) - 1);
    memset(message->text, 0, sizeof(message->text));
    for (size_t i = 0; i < length; i++) {
        message->text[i] = is_printable(text[i]) ? text[i] : '?';
    }
}

static afd_status check_envelope(uint64_t magic, uint32_t version, afd_error *error)
{
    if (magic != AFD__MESSAGE_MAGIC) {
        return afd__fail(error, AFD_ERR_INVALID, "message.magic", magic, AFD__MESSAGE_MAGIC,
                         "a message begins with 0x%016" PRIx64 ", must begin with 0x%016" PRIx64, magic,
                         AFD__MESSAGE_MAGIC);
    }
    if (version != AFD__MESSAGE_VERSION) {
        return afd__fail(error, AFD_ERR_INVALID, "message.version", version, AFD__MESSAGE_VERSION,
                         "a member speaks version %" PRIu32 " of the protocol, this one speaks version %d", version,
                         AFD__MESSAGE_VERSION);
    }
    return AFD_OK;
}

static afd_status check_status(int32_t status, afd_error *error)
{
    if (status >= AFD_ERR_PEER && status <= 0) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, "message.status", (uint64_t)(int64_t)status,
                     (uint64_t)(int64_t)AFD_ERR_PEER, "message.status is %" PRId32 ", must be in [%d, 0]", status,
                     (int)AFD_ERR_PEER);
}

static afd_status check_numbers(const afd__message *message, afd_error *error)
{
    const struct {
        const char *field;
        uint64_t value;
        uint64_t low;
        uint64_t high;
    } ranges[] = {
        { "message.kind", message->kind, AFD__MESSAGE_HELLO, AFD__MESSAGE_BEAT },
        { "message.turn", message->turn, 0, AFD__TURN_MAX },
        { "message.pid", message->pid, 0, INT32_MAX },
        { "message.anchored", message->anchored, 0, 1 },
        { "message.reason", message->reason, AFD_DROP_NONE, AFD_DROP_ASKED },
        { "message.sent_type", message->sent_type, AFD_TOKEN_F16, AFD_TOKEN_INT8 },
        { "message.result_type", message->result_type, AFD_TOKEN_F16, AFD_TOKEN_INT8 },
        { "message.data_port", message->data_port, 0, UINT16_MAX },
    };
    afd_status status = check_status(message->status, error);
    for (size_t i = 0; status == AFD_OK && i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        status = afd__check_range(ranges[i].field, ranges[i].value, ranges[i].low, ranges[i].high, error);
    }
    return status;
}

/* Whether an incarnation must be named, and a refusal have its status. */
static afd_status check_kind(const afd__message *message, afd_error *error)
{
    bool is_about_nobody = message->kind == AFD__MESSAGE_BEAT || message->kind == AFD__MESSAGE_DRAIN ||
                           message->kind == AFD__MESSAGE_REFUSED;
    if (!is_about_nobody && message->epoch == 0) {
        return afd__fail(error, AFD_ERR_INVALID, "message.epoch", 0, 1,
                         "message.epoch is 0 in a message of kind %" PRIu32 ", which is about an incarnation",
                         message->kind);
    }
    if (message->kind == AFD__MESSAGE_REFUSED && message->status == 0) {
        return afd__fail(error, AFD_ERR_INVALID, "message.status", 0, 0, "message.status is 0 in a refusal");
    }
    return AFD_OK;
}

static afd_status check_text(const char *field, const char *text, size_t text_bytes, afd_error *error)
{
    size_t length = strnlen(text, text_bytes);
    if (length == text_bytes) {
        return afd__fail(error, AFD_ERR_INVALID, field, length, text_bytes - 1, "%s does not end within %zu bytes",
                         field, text_bytes);
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_printable(text[i])) {
            return afd__fail(error, AFD_ERR_INVALID, field, (unsigned char)text[i], i,
                             "byte %zu of %s is 0x%02x, which is not printable", i, field,
                             (unsigned int)(unsigned char)text[i]);
        }
    }
    return AFD_OK;
}

/* The name becomes part of a path, so it is held to what names may be. */
static afd_status check_texts(const afd__message *message, afd_error *error)
{
    afd_status status = check_text("message.text", message->text, sizeof(message->text), error);
    if (status == AFD_OK) {
        status = check_text("message.window_name", message->window_name, sizeof(message->window_name), error);
    }
    if (status == AFD_OK && message->window_name[0] != '\0') {
        status = afd__shm_check_name(message->window_name, error);
    }
    return status;
}

afd_status afd__message_check(const void *bytes, size_t byte_num, afd__message *message, afd_error *error)
{
    afd__message copy;
    if (byte_num != sizeof(copy)) {
        return afd__fail(error, AFD_ERR_INVALID, "message.bytes", byte_num, sizeof(copy),
                         "a message of %zu bytes came in, one has %zu", byte_num, sizeof(copy));
    }
    memcpy(&copy, bytes, sizeof(copy));
    afd_status status = check_envelope(copy.magic, copy.version, error);
    if (status == AFD_OK) {
        status = check_numbers(&copy, error);
    }
    if (status == AFD_OK) {
        status = check_kind(&copy, error);
    }
    if (status == AFD_OK) {
        status = check_texts(&copy, error);
    }
    if (status == AFD_OK) {
        *message = copy;
    }
    return status;
}

/* Of another version the length may be another one, too; where its number stands is the same in all of them. */
static afd_status check_knock_envelope(const void *bytes, size_t byte_num, afd_error *error)
{
    uint64_t magic = 0;
    uint32_t version = 0;
    afd_status status = AFD_OK;
    if (byte_num >= offsetof(afd__message, kind)) {
        memcpy(&magic, bytes, sizeof(magic));
        memcpy(&version, (const char *)bytes + offsetof(afd__message, version), sizeof(version));
        status = check_envelope(magic, version, error);
    }
    if (status == AFD_OK && byte_num != sizeof(afd__knock)) {
        status = afd__fail(error, AFD_ERR_INVALID, "message.bytes", byte_num, sizeof(afd__knock),
                           "a guest's first message has %zu bytes, must have %zu", byte_num, sizeof(afd__knock));
    }
    return status;
}

static afd_status check_hello(const afd__message *hello, afd_error *error)
{
    if (hello->kind != AFD__MESSAGE_HELLO) {
        return afd__fail(error, AFD_ERR_INVALID, "message.kind", hello->kind, AFD__MESSAGE_HELLO,
                         "a message of kind %" PRIu32 " came in out of place", hello->kind);
    }
    if (hello->window_name[0] != '\0' || hello->window_key != 0) {
        return afd__fail(error, AFD_ERR_INVALID, "message.window_name", hello->window_key, 0,
                         "a guest of another host offers a window to open, which must not be");
    }
    return AFD_OK;
}

afd_status afd__knock_check(const void *bytes, size_t byte_num, const afd__credentials *asked, afd__message *hello,
                            afd_error *error)
{
    afd__credentials shown;
    afd__message copy;
    afd_status status = check_knock_envelope(bytes, byte_num, error);
    if (status != AFD_OK) {
        return status;
    }
    memcpy(&shown, (const char *)bytes + offsetof(afd__knock, credentials), sizeof(shown));
    bool match = afd__credentials_match(&shown, asked);
    afd__credentials_wipe(&shown);
    if (!match) {
        return afd__fail(error, AFD_ERR_ACCESS, "secret", 0, 0, "the secret is wrong");
    }
    status = afd__message_check(bytes, sizeof(copy), &copy, error);
    if (status == AFD_OK) {
        status = check_hello(&copy, error);
    }
    if (status == AFD_OK) {
        *hello = copy;
    }
    return status;
}

void afd__credentials_set(afd__credentials *credentials, const void *secret, size_t secret_bytes)
{
    *credentials = (afd__credentials){ .secret_bytes = (uint32_t)secret_bytes };
    if (secret_bytes > 0) {
        memcpy(credentials->secret, secret, secret_bytes);
    }
}

bool afd__credentials_match(const afd__credentials *theirs, const afd__credentials *ours)
{
    uint32_t difference = (theirs->secret_bytes ^ ours->secret_bytes) | theirs->reserved;
    for (size_t i = 0; i < sizeof(ours->secret); i++) {
        difference |= (uint32_t)(theirs->secret[i] ^ ours->secret[i]);
        /* The compiler is not to know what it is by now, or it might leave the loop. */
        __asm__("" : "+r"(difference));
    }
    return difference == 0;
}

void afd__credentials_wipe(afd__credentials *credentials)
{
    explicit_bzero(credentials, sizeof(*credentials));
}

uint64_t afd__epoch_new(void)
{
    uint64_t epoch = 0;
    /* Sixty-four random bits: two that are the same are not to be expected while the world lasts. */
    if (getrandom(&epoch, sizeof(epoch), GRND_NONBLOCK) != (ssize_t)sizeof(epoch)) {
        epoch = afd_clock_ns();
    }
    return epoch == 0 ? 1 : epoch;
}
