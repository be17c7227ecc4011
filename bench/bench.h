/* SPDX-License-Identifier: MIT
 *
 * What all benchmarks share: choosing cases by name, pinning, repetitions, medians with their spread, and one line per result,
 * as a table or as JSON.
 *
 *     static void run_copy(struct bench *bench) {
 *         struct bench_series copy, floor;
 *         bench_series_init(&copy, 15); ...
 *         for (each repetition) { measure both, one after the other; bench_series_add(&copy, ns); ... }
 *         bench_report(bench, &(struct bench_result){.name = "copy", .unit = "ns/event", .values = &copy, .floor = &floor});
 *     }
 *     int main(int argc, char **argv) {
 *         static const struct bench_case cases[] = {{"copy", run_copy}};
 *         return bench_main(argc, argv, "ingest", cases, 1);
 *     }
 *
 * Machines are shared and noisy.  So compared things are measured alternately, a repetition of one and then of the other, and
 * the ratio of the medians is the result; a figure without its ratio says little. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_REPETITIONS_MAX 4096

struct bench; /* the options, and whether a result was printed */

struct bench_case {
    const char *name;
    void (*run)(struct bench *bench);
};

/* The whole main() of a benchmark program.  Arguments: [NAME...] [--json] [--list] [--quick]; a NAME is the program's, "emit", or
 * a case's, "emit/masked"; none means all.  A name of another program is not an error: ./dev bench gives all names to all. */
int bench_main(int argc, char **argv, const char *name, const struct bench_case *cases, size_t case_count);

/* --quick: fewer repetitions, to see that a benchmark works; the figures mean little then. */
bool bench_quick(const struct bench *bench);

/* Repetitions to make: `usual`, or 3 with --quick. */
unsigned bench_repetitions(const struct bench *bench, unsigned usual);

/* The measured values of one thing. */
struct bench_series {
    double values[BENCH_REPETITIONS_MAX];
    unsigned count;
};
void bench_series_init(struct bench_series *series);
void bench_series_add(struct bench_series *series, double value);
/* quantile in 0 ... 1; 0.5 is the median.  0 for an empty series. */
double bench_series_quantile(const struct bench_series *series, double quantile);

struct bench_extra {
    const char *name;
    double value;
};

struct bench_result {
    const char *name; /* of the case */
    const char *unit;
    const struct bench_series *values;
    const struct bench_series *floor; /* NULL: none */
    const char *peer;                 /* names what `floor` holds if it is not the floor; NULL otherwise */
    struct bench_extra extras[6];     /* more members of the JSON line, up to the first without a name */
    const char *note;                 /* shown at the end of the table's row; NULL for none */
};
void bench_report(struct bench *bench, const struct bench_result *result);

/* Says why a case gives no figure. */
void bench_skip(struct bench *bench, const char *name, const char *why);

/* CLOCK_MONOTONIC. */
uint64_t bench_now_ns(void);

/* The calling thread's processor time, without that of others on the same processor.  Costs a system call. */
uint64_t bench_cpu_ns(void);

/* Pins the calling thread to the n-th processor that it may use, modulo their number.  Returns false if there is only one. */
bool bench_pin(unsigned n);

/* Ends the program with a message: a benchmark has nobody to hand an error to. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_die(const char *format, ...);

/* Forces the compiler to have the value in a register here, and to forget what it knew about it. */
#define BENCH_OPAQUE(value) __asm__ volatile("" : "+r"(value))

#endif
