/* SPDX-License-Identifier: MIT
 *
 * Trace contexts: fresh ids, and the form that crosses the wire.
 *
 * Ids are a counter, mixed with a random seed: taking one is a single instruction on thread-local memory, so that a signal handler
 * can't draw the same one.  A forked child seeds anew. */
#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

#include <libtrace/clock.h>
#include <libtrace/writer.h>
#include <p2ptrace/context.h>

struct generator {
    uint64_t counter;
    uint64_t seed[2];
    uint64_t fork_count; /* the process generation it was seeded in; 0: not seeded */
};

static __thread struct generator generator __attribute__((tls_model("initial-exec")));
static uint64_t fork_count = 1;

static void after_fork_child(void) { fork_count++; }
__attribute__((constructor)) static void on_load(void) { (void)pthread_atfork(NULL, NULL, after_fork_child); }

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection, so that different counters give different ids. */
static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void seed(void) {
    int saved_errno = errno;
    if (getrandom(generator.seed, sizeof generator.seed, 0) != sizeof generator.seed) {
        generator.seed[0] = trace__monotonic_ns() ^ (uintptr_t)&generator;
        generator.seed[1] = mix(generator.seed[0]);
    }
    generator.fork_count = fork_count;
    errno = saved_errno;
}

static uint64_t draw(uint64_t *ret_second) {
    uint64_t n, first;
    if (generator.fork_count != fork_count) seed();
    do {
        n = trace__reserve(&generator.counter);
        first = mix(generator.seed[0] + n);
    } while (first == 0); /* a zero id means none */
    if (ret_second != NULL) *ret_second = mix(generator.seed[1] + n * UINT64_C(0x9e3779b97f4a7c15));
    return first;
}

struct trace_context trace_context_new(uint8_t flags) {
    struct trace_context context;
    uint64_t low, high = draw(&low);
    memcpy(context.trace_id.bytes, &high, 8);
    memcpy(context.trace_id.bytes + 8, &low, 8);
    context.span_id = draw(NULL);
    context.flags = flags;
    return context;
}

struct trace_context trace_context_child(const struct trace_context *parent) {
    struct trace_context context = *parent;
    context.span_id = draw(NULL);
    return context;
}

void trace_context_encode(uint8_t *out, const struct trace_context *context) {
    out[0] = 0; /* version */
    memcpy(out + 1, context->trace_id.bytes, TRACE_ID_BYTES);
    for (unsigned i = 0; i < 8; i++) out[17 + i] = (uint8_t)(context->span_id >> (56 - 8 * i));
    out[25] = context->flags;
}

int trace_context_decode(struct trace_context *ret_context, const uint8_t *bytes, size_t count) {
    static const struct trace_id zero;
    struct trace_context context = {.flags = 0};
    if (count < TRACE_CONTEXT_WIRE_BYTES || bytes[0] != 0) return -EINVAL;
    memcpy(context.trace_id.bytes, bytes + 1, TRACE_ID_BYTES);
    if (memcmp(&context.trace_id, &zero, sizeof zero) == 0) return -EINVAL;
    for (unsigned i = 0; i < 8; i++) context.span_id = context.span_id << 8 | bytes[17 + i];
    context.flags = bytes[25] & (TRACE_FLAG_SAMPLED | TRACE_FLAG_DEBUG | TRACE_FLAG_APP_INITIATED);
    *ret_context = context;
    return 0;
}
