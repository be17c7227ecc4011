/* SPDX-License-Identifier: MIT
 *
 * The harness of the benchmarks: see bench.h.  Single-threaded, except bench_pin and bench_now_ns. */
#include "bench.h"

#include <errno.h>
#include <proto/clock.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    const char *name;
    bool json, quick;
    bool headed; /* the table's head has been printed */
};

void bench_die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

uint64_t bench_now_ns(void) { return trace_now_ns(CLOCK_MONOTONIC); }
uint64_t bench_cpu_ns(void) { return trace_now_ns(CLOCK_THREAD_CPUTIME_ID); }

bool bench_pin(unsigned n) {
    /* The processors that the process may use, read before the first pin narrows them. */
    static cpu_set_t allowed;
    static bool known;
    cpu_set_t one;
    unsigned count, seen = 0;

    if (!known) {
        if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
        known = true;
    }
    count = (unsigned)CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || seen++ != n % count) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)sched_setaffinity(0, sizeof one, &one);
        break;
    }
    return count > 1;
}

/* ---- series ------------------------------------------------------------------------------------------------------------- */

void bench_series_init(struct bench_series *series) { series->count = 0; }

void bench_series_add(struct bench_series *series, double value) {
    if (series->count == BENCH_REPETITIONS_MAX) bench_die("more than %d repetitions", BENCH_REPETITIONS_MAX);
    series->values[series->count++] = value;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_series_quantile(const struct bench_series *series, double quantile) {
    static double sorted[BENCH_REPETITIONS_MAX];
    double place, part;
    unsigned low;

    if (series->count == 0) return 0;
    memcpy(sorted, series->values, series->count * sizeof sorted[0]);
    qsort(sorted, series->count, sizeof sorted[0], compare_doubles);
    place = quantile * (series->count - 1);
    low = (unsigned)place;
    part = place - low;
    return low + 1 < series->count ? sorted[low] * (1 - part) + sorted[low + 1] * part : sorted[low];
}

/* ---- results ------------------------------------------------------------------------------------------------------------ */

static void report_json(const struct bench *bench, const struct bench_result *result) {
    double value = bench_series_quantile(result->values, 0.5);

    printf("{\"bench\":\"%s\",\"case\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"", bench->name, result->name, value, result->unit);
    if (result->floor) {
        double floor = bench_series_quantile(result->floor, 0.5);
        printf(",\"floor\":%.4g,\"ratio\":%.3f", floor, floor > 0 ? value / floor : 0);
    }
    if (result->peer) printf(",\"peer\":\"%s\"", result->peer);
    for (size_t i = 0; i < sizeof result->extras / sizeof result->extras[0] && result->extras[i].name; i++)
        printf(",\"%s\":%.17g", result->extras[i].name, result->extras[i].value);
    printf(",\"low\":%.4g,\"high\":%.4g,\"repetitions\":%u}\n", bench_series_quantile(result->values, 0.25),
           bench_series_quantile(result->values, 0.75), result->values->count);
}

static void report_table(struct bench *bench, const struct bench_result *result) {
    double value = bench_series_quantile(result->values, 0.5);

    if (!bench->headed)
        printf("%-10s %-14s %10s  %-12s %10s %7s  %-19s %5s\n", "bench", "case", "median", "unit", "floor", "ratio",
               "middle half", "reps");
    bench->headed = true;
    printf("%-10s %-14s %10.2f  %-12s ", bench->name, result->name, value, result->unit);
    if (result->floor) {
        double floor = bench_series_quantile(result->floor, 0.5);
        printf("%10.2f %7.2f", floor, floor > 0 ? value / floor : 0);
    } else {
        printf("%10s %7s", "-", "-");
    }
    printf("  %8.2f - %-8.2f %5u", bench_series_quantile(result->values, 0.25), bench_series_quantile(result->values, 0.75),
           result->values->count);
    if (result->peer) printf("  floor: %s", result->peer);
    for (size_t i = 0; i < sizeof result->extras / sizeof result->extras[0] && result->extras[i].name; i++)
        printf("  %s %.10g", result->extras[i].name, result->extras[i].value);
    if (result->note) printf("  (%s)", result->note);
    putchar('\n');
}

void bench_report(struct bench *bench, const struct bench_result *result) {
    if (bench->json)
        report_json(bench, result);
    else
        report_table(bench, result);
    fflush(stdout);
}

void bench_skip(struct bench *bench, const char *name, const char *why) {
    fprintf(stderr, "bench: %s/%s: no figure: %s\n", bench->name, name, why);
}

/* ---- main --------------------------------------------------------------------------------------------------------------- */

bool bench_quick(const struct bench *bench) { return bench->quick; }

unsigned bench_repetitions(const struct bench *bench, unsigned usual) { return bench->quick && usual > 3 ? 3 : usual; }

/* Does `word`, such as "emit" or "emit/masked", select the case? */
static bool chooses(const char *word, const char *name, const char *case_name) {
    size_t length = strlen(name);
    if (strncmp(word, name, length) != 0) return false;
    return word[length] == 0 || (word[length] == '/' && strcmp(word + length + 1, case_name) == 0);
}

static bool chosen(char **words, int word_count, const char *name, const char *case_name) {
    bool any = false;
    for (int i = 0; i < word_count; i++) {
        if (words[i][0] == '-') continue;
        if (chooses(words[i], name, case_name)) return true;
        any = true;
    }
    return !any;
}

int bench_main(int argc, char **argv, const char *name, const struct bench_case *cases, size_t case_count) {
    struct bench bench = {.name = name};
    bool list = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            bench.json = true;
        else if (strcmp(argv[i], "--quick") == 0)
            bench.quick = true;
        else if (strcmp(argv[i], "--list") == 0)
            list = true;
        else if (argv[i][0] == '-')
            bench_die("no such option: %s", argv[i]);
    }
    for (size_t i = 0; i < case_count; i++) {
        if (list)
            printf("%s/%s\n", name, cases[i].name);
        else if (chosen(argv + 1, argc - 1, name, cases[i].name))
            cases[i].run(&bench);
    }
    return 0;
}
