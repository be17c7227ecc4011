/* SPDX-License-Identifier: MIT
 *
 * Two pinned threads pass a cache line back and forth: see line.h. */
#include "line.h"

#include "bench.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdint.h>

#define THROWS 64   /* round trips in one measurement: the clock is read once for all of them */
#define REPEATS 201 /* measurements, of which the median is taken */
#define THROWS_ALL ((uint32_t)THROWS * REPEATS)

/* Alone on its line, and on the pair of lines that the processor may fetch together.  Odd: the other thread has it. */
struct ball {
    alignas(128) uint32_t throws;
    char rest[124];
};

/* Relaxed: only the number itself is passed. */
static void await(const struct ball *ball, uint32_t throws) {
    while (__atomic_load_n(&ball->throws, __ATOMIC_RELAXED) != throws) continue;
}

static void *throw_back(void *arg) {
    struct ball *ball = arg;
    bench_pin(0);
    for (uint32_t i = 0; i < THROWS_ALL; i++) {
        await(ball, 2 * i + 1);
        __atomic_store_n(&ball->throws, 2 * i + 2, __ATOMIC_RELAXED);
    }
    return NULL;
}

double bench_line_ns(void) {
    static struct bench_series trips;
    static struct ball ball;
    pthread_t other;

    if (!bench_pin(1)) return 0;
    ball.throws = 0;
    bench_series_init(&trips);
    if (pthread_create(&other, NULL, throw_back, &ball) != 0) bench_die("no thread");
    for (uint32_t i = 0; i < THROWS_ALL;) {
        uint64_t start = bench_now_ns();
        for (uint32_t end = i + THROWS; i < end; i++) {
            __atomic_store_n(&ball.throws, 2 * i + 1, __ATOMIC_RELAXED);
            await(&ball, 2 * i + 2);
        }
        bench_series_add(&trips, (double)(bench_now_ns() - start) / THROWS);
    }
    pthread_join(other, NULL);
    return (double)(uint64_t)(bench_series_quantile(&trips, 0.5) / 2 + 0.5);
}
