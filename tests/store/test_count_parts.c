/* SPDX-License-Identifier: MIT
 *
 * What `count` is made of: groups by key, and the spread of numbers within them. */
#include "count_groups.h"
#include "count_spread.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

static uint64_t next_random(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

/* ---- groups ------------------------------------------------------------------------------------------------------------- */

START_TEST(a_key_stays_in_its_group) {
    struct count_groups groups = {0};
    char key[24];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) {
            int bytes = snprintf(key, sizeof key, "%d", i);
            ck_assert_int_eq(count_groups_find(&groups, key, (size_t)bytes), i);
        }
    }
    ck_assert_uint_eq(groups.count, 20000);
    ck_assert_uint_eq(groups.keys[12345].bytes, 5);
    ck_assert_mem_eq(count_groups_key(&groups, 12345), "12345", 5);
    count_groups_fini(&groups);
}
END_TEST

START_TEST(keys_differ_by_length_and_by_zero_bytes) {
    struct count_groups groups = {0};
    static const char zeros[40];
    for (int bytes = 0; bytes < 40; bytes++) ck_assert_int_eq(count_groups_find(&groups, zeros, (size_t)bytes), bytes);
    for (int bytes = 0; bytes < 40; bytes++) ck_assert_int_eq(count_groups_find(&groups, zeros, (size_t)bytes), bytes);
    count_groups_fini(&groups);
}
END_TEST

START_TEST(groups_are_limited_and_known_keys_are_found_then_too) {
    struct count_groups groups = {0};
    for (uint32_t i = 0; i < COUNT_GROUPS_MAX; i++) ck_assert_int_eq(count_groups_find(&groups, &i, sizeof i), (int)i);
    uint32_t more = COUNT_GROUPS_MAX;
    ck_assert_int_eq(count_groups_find(&groups, &more, sizeof more), -ENOSPC);
    more = 77;
    ck_assert_int_eq(count_groups_find(&groups, &more, sizeof more), 77);
    count_groups_fini(&groups);
}
END_TEST

START_TEST(the_bytes_of_all_keys_are_limited) {
    struct count_groups groups = {0};
    size_t bytes = COUNT_GROUPS_KEY_BYTES_MAX / 2;
    char *key = calloc(1, bytes);
    ck_assert_int_eq(count_groups_find(&groups, key, bytes), 0);
    key[0] = 1;
    ck_assert_int_eq(count_groups_find(&groups, key, bytes), 1);
    key[0] = 2;
    ck_assert_int_eq(count_groups_find(&groups, key, 1), -ENOSPC);
    ck_assert_int_eq(count_groups_find(&groups, key, 0), 2);
    key[0] = 1;
    ck_assert_int_eq(count_groups_find(&groups, key, bytes), 1);
    free(key);
    count_groups_fini(&groups);
}
END_TEST

/* ---- spread ------------------------------------------------------------------------------------------------------------- */

START_TEST(buckets_divide_all_numbers_without_hole_or_overlap) {
    ck_assert_uint_eq(count_spread_bucket_low(0), 0);
    for (unsigned bucket = 0; bucket < COUNT_SPREAD_BUCKETS; bucket++) {
        uint64_t low = count_spread_bucket_low(bucket), high = count_spread_bucket_high(bucket);
        ck_assert_uint_le(low, high);
        ck_assert_uint_eq(count_spread_bucket(low), bucket);
        ck_assert_uint_eq(count_spread_bucket(high), bucket);
        ck_assert_msg(high - low <= low / 128, "bucket %u is %llu wide", bucket, (unsigned long long)(high - low));
        if (bucket + 1 < COUNT_SPREAD_BUCKETS) ck_assert_uint_eq(count_spread_bucket_low(bucket + 1), high + 1);
    }
    ck_assert_uint_eq(count_spread_bucket_high(COUNT_SPREAD_BUCKETS - 1), UINT64_MAX);
}
END_TEST

static int number_compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The least number that at least `share` of the sorted numbers do not exceed. */
static uint64_t exact_quantile(const uint64_t *numbers, size_t count, double share) {
    size_t rank = 0;
    while ((double)(rank + 1) < share * (double)count) rank++;
    return numbers[rank];
}

#define NUMBERS 5000U

/* _i: how large the numbers are, in bits. */
START_TEST(quantiles_are_at_most_a_128th_above_the_exact_ones) {
    static const double shares[] = {0, 0.001, 0.5, 0.9, 0.99, 0.999, 1};
    struct count_spread spread = {0};
    struct count_spread_part *parts;
    uint64_t numbers[NUMBERS];
    size_t count;
    state = 0x9e3779b97f4a7c15U + (unsigned)_i;
    for (unsigned i = 0; i < NUMBERS; i++) {
        numbers[i] = next_random() >> (64 - _i) >> next_random() % (unsigned)_i;
        ck_assert_int_eq(count_spread_add(&spread, 3, numbers[i], 1), 0);
    }
    qsort(numbers, NUMBERS, sizeof *numbers, number_compare);
    ck_assert_int_eq(count_spread_parts(&spread, &parts, &count), 0);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        uint64_t exact = exact_quantile(numbers, NUMBERS, shares[i]), told = count_spread_quantile(parts, count, shares[i]);
        ck_assert_uint_ge(told, exact);
        ck_assert_uint_le(told - exact, exact / 128);
        if (exact < 256) ck_assert_uint_eq(told, exact);
    }
    free(parts);
    count_spread_fini(&spread);
}
END_TEST

START_TEST(groups_do_not_mix_and_parts_come_sorted) {
    struct count_spread spread = {0};
    struct count_spread_part *parts;
    size_t count;
    ck_assert_int_eq(count_spread_parts(&spread, &parts, &count), 0);
    ck_assert_uint_eq(count, 0);
    free(parts);
    for (uint32_t group = COUNT_SPREAD_GROUPS_MAX; group-- > 0; group -= group < 7 ? group : 6)
        for (uint32_t i = 0; i <= group % 5; i++)
            ck_assert_int_eq(count_spread_add(&spread, group, i ? UINT64_MAX : group, 1), 0);
    ck_assert_int_eq(count_spread_parts(&spread, &parts, &count), 0);
    ck_assert_uint_gt(count, 10000);
    for (size_t i = 0; i < count; i++) {
        uint32_t group = parts[i].group;
        if (i && parts[i - 1].group == group) {
            ck_assert_uint_eq(parts[i].bucket, COUNT_SPREAD_BUCKETS - 1);
            ck_assert_uint_eq(parts[i].count, group % 5);
        } else {
            ck_assert_uint_eq(parts[i].bucket, count_spread_bucket(group));
            ck_assert_uint_eq(parts[i].count, 1);
            ck_assert(!i || parts[i - 1].group < group);
        }
    }
    free(parts);
    count_spread_fini(&spread);
}
END_TEST

START_TEST(buckets_in_use_are_limited_and_go_on_counting) {
    struct count_spread spread = {0};
    size_t added = 0;
    int error = 0;
    for (uint32_t group = 0; !error; group++)
        for (unsigned bucket = 0; bucket < COUNT_SPREAD_BUCKETS && !error; bucket++)
            if (!(error = count_spread_add(&spread, group, count_spread_bucket_low(bucket), 1))) added++;
    ck_assert_int_eq(error, -ENOSPC);
    ck_assert_uint_eq(added, COUNT_SPREAD_USED_MAX);
    ck_assert_int_eq(count_spread_add(&spread, 0, 0, 1), 0);
    count_spread_fini(&spread);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("count_parts");
    TCase *tcase = tcase_create("count_parts");
    tcase_add_test(tcase, a_key_stays_in_its_group);
    tcase_add_test(tcase, keys_differ_by_length_and_by_zero_bytes);
    tcase_add_test(tcase, groups_are_limited_and_known_keys_are_found_then_too);
    tcase_add_test(tcase, the_bytes_of_all_keys_are_limited);
    tcase_add_test(tcase, buckets_divide_all_numbers_without_hole_or_overlap);
    tcase_add_loop_test(tcase, quantiles_are_at_most_a_128th_above_the_exact_ones, 1, 65);
    tcase_add_test(tcase, groups_do_not_mix_and_parts_come_sorted);
    tcase_add_test(tcase, buckets_in_use_are_limited_and_go_on_counting);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
