/* SPDX-License-Identifier: MIT
 *
 * Trace contexts: new ids, and the two forms that cross the wire.
 *
 * Ids are a counter, mixed with a random seed.  Taking one is a single instruction on thread-local memory, so a signal handler
 * cannot draw the same one.  A forked child draws a new seed. */
#include "splitmix.h"
#include "thread.h"

#include <errno.h>
#include <libtrace/clock.h>
#include <libtrace/writer.h>
#include <p2ptrace/context.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

/* ---- ids ----------------------------------------------------------------------------------------------------------------- */

static uint64_t fork_count = 1;

static void count_fork(void) { fork_count++; }

/* Runs before the constructors of a program's own objects, which may fork. */
__attribute__((constructor(101))) static void watch_forks(void) { (void)pthread_atfork(NULL, NULL, count_fork); }

static void seed_ids(struct trace__ids *ids) {
    int saved_errno = errno;
    if (getrandom(ids->seed, sizeof ids->seed, 0) != sizeof ids->seed) {
        ids->seed[0] = trace__monotonic_ns() ^ (uintptr_t)ids;
        ids->seed[1] = splitmix(ids->seed[0]);
    }
    ids->fork_count = fork_count;
    errno = saved_errno;
}

/* The state from which the calling thread draws ids.  Without memory for a block each id gets its own seed: slow, but just as
 * unlikely to repeat. */
static struct trace__ids *own_ids(struct trace__ids *spare) {
    struct trace__ids *ids = &trace__thread->ids;
    int saved_errno = errno;
    if (ids->fork_count == fork_count) return ids;
    struct trace__thread *made = log__thread_make();
    errno = saved_errno;
    ids = made ? &made->ids : spare;
    seed_ids(ids);
    return ids;
}

static uint64_t draw_id(uint64_t *ret_second) {
    struct trace__ids spare = {.counter = 0}, *ids = own_ids(&spare);
    uint64_t n, first;
    do {
        n = trace__reserve(&ids->counter);
        first = splitmix(ids->seed[0] + n);
    } while (first == 0); /* a zero id means no trace */
    if (ret_second) *ret_second = splitmix(ids->seed[1] + n * UINT64_C(0x9e3779b97f4a7c15));
    return first;
}

struct trace_context trace_context_new(uint8_t flags) {
    struct trace_context context;
    uint64_t low, high = draw_id(&low);
    memcpy(context.trace_id.bytes, &high, 8);
    memcpy(context.trace_id.bytes + 8, &low, 8);
    context.span_id = draw_id(NULL);
    context.flags = flags & TRACE_CONTEXT_FLAGS;
    return context;
}

struct trace_context trace_context_child(const struct trace_context *parent) {
    struct trace_context context = *parent;
    context.span_id = draw_id(NULL);
    return context;
}

/* ---- 26 bytes ------------------------------------------------------------------------------------------------------------ */

static bool is_zero(const struct trace_id *id) {
    static const struct trace_id zero;
    return memcmp(id, &zero, sizeof zero) == 0;
}

static void put_span_id(uint8_t *out, uint64_t span_id) {
    for (unsigned i = 0; i < 8; i++) out[i] = (uint8_t)(span_id >> (56 - 8 * i));
}

static uint64_t get_span_id(const uint8_t *bytes) {
    uint64_t span_id = 0;
    for (unsigned i = 0; i < 8; i++) span_id = span_id << 8 | bytes[i];
    return span_id;
}

void trace_context_encode(uint8_t *out, const struct trace_context *context) {
    out[0] = 0; /* version */
    memcpy(out + 1, context->trace_id.bytes, TRACE_ID_BYTES);
    put_span_id(out + 17, context->span_id);
    out[25] = context->flags;
}

int trace_context_decode(struct trace_context *ret_context, const uint8_t *bytes, size_t count) {
    struct trace_context context = {.span_id = 0};
    if (count < TRACE_CONTEXT_WIRE_BYTES || bytes[0] != 0) return -EINVAL;
    memcpy(context.trace_id.bytes, bytes + 1, TRACE_ID_BYTES);
    if (!is_zero(&context.trace_id)) {
        context.span_id = get_span_id(bytes + 17);
        context.flags = bytes[25] & TRACE_CONTEXT_FLAGS;
    }
    *ret_context = context;
    return 0;
}

/* ---- traceparent: https://www.w3.org/TR/trace-context-1/#traceparent-header ------------------------------------------------ */

#define TRACEPARENT_LENGTH (TRACE_TRACEPARENT_BYTES - 1)
#define TRACEPARENT_SAMPLED 1 /* the only flag of version 00 */

/* Where each field begins; a '-' precedes all but the first. */
enum { AT_VERSION = 0, AT_TRACE_ID = 3, AT_SPAN_ID = 36, AT_FLAGS = 53 };

static void write_hex(char *out, const uint8_t *bytes, size_t count) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

/* The value of a lower-case hex digit; 16 for anything else. */
static unsigned lower_digit_value(char digit) {
    if (digit >= '0' && digit <= '9') return (unsigned)(digit - '0');
    return digit >= 'a' && digit <= 'f' ? (unsigned)(digit - 'a') + 10 : 16;
}

static bool read_hex(uint8_t *out, const char *text, size_t count) {
    for (size_t i = 0; i < count; i++) {
        unsigned high = lower_digit_value(text[2 * i]), low = lower_digit_value(text[2 * i + 1]);
        if (high > 15 || low > 15) return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

int trace_context_to_traceparent(char out[TRACE_TRACEPARENT_BYTES], const struct trace_context *context) {
    const uint8_t version = 0, flags = context->flags & TRACE_FLAG_SAMPLED ? TRACEPARENT_SAMPLED : 0;
    uint8_t span_id[8];
    if (is_zero(&context->trace_id) || context->span_id == 0) return -EINVAL;
    put_span_id(span_id, context->span_id);
    write_hex(out + AT_VERSION, &version, 1);
    write_hex(out + AT_TRACE_ID, context->trace_id.bytes, TRACE_ID_BYTES);
    write_hex(out + AT_SPAN_ID, span_id, sizeof span_id);
    write_hex(out + AT_FLAGS, &flags, 1);
    out[AT_TRACE_ID - 1] = out[AT_SPAN_ID - 1] = out[AT_FLAGS - 1] = '-';
    out[TRACEPARENT_LENGTH] = 0;
    return 0;
}

int trace_context_from_traceparent(struct trace_context *ret_context, const char *text, size_t length) {
    struct trace_context context;
    uint8_t version, flags, span_id[8];
    if (length < TRACEPARENT_LENGTH) return -EINVAL;
    if (text[AT_TRACE_ID - 1] != '-' || text[AT_SPAN_ID - 1] != '-' || text[AT_FLAGS - 1] != '-') return -EINVAL;
    if (!read_hex(&version, text + AT_VERSION, 1) || !read_hex(context.trace_id.bytes, text + AT_TRACE_ID, TRACE_ID_BYTES) ||
        !read_hex(span_id, text + AT_SPAN_ID, sizeof span_id) || !read_hex(&flags, text + AT_FLAGS, 1))
        return -EINVAL;
    if (version == 0xff) return -EINVAL;
    if (length > TRACEPARENT_LENGTH && (version == 0 || text[TRACEPARENT_LENGTH] != '-')) return -EINVAL;
    context.span_id = get_span_id(span_id);
    context.flags = flags & TRACEPARENT_SAMPLED ? TRACE_FLAG_SAMPLED : 0;
    if (is_zero(&context.trace_id) || context.span_id == 0) return -EINVAL;
    *ret_context = context;
    return 0;
}
