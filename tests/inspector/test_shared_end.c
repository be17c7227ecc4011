/* SPDX-License-Identifier: MIT
 *
 * What links are compared with, and when a node is named for them (inspector/analyze/model/others.h, shared_end.h). */
#include "others.h"

#include <check.h>

enum { A, B, C, D, E, F };

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* What A -> B, the first link, is compared with; -1: nothing. */
static double usual(const struct judged_link *links, size_t count, bool apart) {
    struct others others;
    double value = -1;
    ck_assert_int_eq(others_init(&others, links, count), 0);
    bool known = others_usual(&others, links, apart, &value);
    others_fini(&others);
    return known ? value : -1;
}

START_TEST(a_link_is_compared_with_the_lower_median_of_the_others_but_its_reverse) {
    const struct judged_link links[] = {{A, B, .value = 9}, {B, A, .value = 0}, {A, C, .value = 5}, {A, D, .value = 5},
                                        {C, D, .value = 1}, {D, C, .value = 2}, {C, E, .value = 3}, {C, A}};
    ck_assert_double_eq(usual(links, 8, false), 2); /* C -> A is not its reverse */
    ck_assert_double_eq(usual(links, 7, false), 3);
    ck_assert_double_eq(usual(links, 6, false), 2); /* of four the second */
    ck_assert_double_eq(usual(links, 2, false), -1);
}
END_TEST

/* Those that share an end are left out only if three others remain, and if that is less. */
START_TEST(links_that_share_an_end_are_left_out_if_others_lose_less) {
    struct judged_link links[] = {{A, B, .value = 9}, {A, C, .value = 5}, {A, D, .value = 5},
                                  {E, B, .value = 5}, {F, B, .value = 5}, {C, D, .value = 1},
                                  {D, C, .value = 2}, {C, E, .value = 3}, {D, E, .value = 2.5}};
    ck_assert_double_eq(usual(links, 9, true), 2); /* of four the second */
    ck_assert_double_eq(usual(links, 8, false), 5);
    ck_assert_double_eq(usual(links, 8, true), 2);
    ck_assert_double_eq(usual(links, 7, true), 5);
    for (size_t i = 5; i < 8; i++) links[i].value = 8;
    ck_assert_double_eq(usual(links, 8, true), 5);
}
END_TEST

static unsigned named(const struct judged_link *links, size_t count, enum direction *ret_direction) {
    struct end_count room[16];
    return shared_end(links, count, ret_direction, room);
}

START_TEST(a_node_is_named_for_most_of_its_links_if_they_are_most_of_the_bad_ones) {
    const struct judged_link links[] = {
        {A, B, .bad = true}, {A, C, .bad = true}, {A, D}, {D, E, .bad = true}, {E, F, .bad = true}};
    enum direction direction;
    ck_assert_uint_eq(named(links, 4, &direction), A); /* two of its three; two of three bad ones */
    ck_assert_int_eq(direction, DIRECTION_OUT);
    ck_assert_uint_eq(named(links, 5, &direction), NO_NUMBER); /* half of the bad ones */
    const struct judged_link few[] = {{A, B, .bad = true}, {A, C, .bad = true}, {A, D}, {A, E}};
    ck_assert_uint_eq(named(few, 4, &direction), NO_NUMBER); /* half of its links */
    ck_assert_uint_eq(named(few, 1, &direction), NO_NUMBER); /* one link */
    const struct judged_link in[] = {{B, A, .bad = true}, {C, A, .bad = true}, {B, C}};
    ck_assert_uint_eq(named(in, 3, &direction), A);
    ck_assert_int_eq(direction, DIRECTION_IN);
    const struct judged_link both[] = {
        {B, A, .bad = true}, {C, A, .bad = true}, {A, B, .bad = true}, {A, C, .bad = true}, {B, C}};
    ck_assert_uint_eq(named(both, 5, &direction), A);
    ck_assert_int_eq(direction, DIRECTION_BOTH);
    ck_assert_uint_eq(named(few + 2, 2, &direction), NO_NUMBER); /* nothing is bad */
}
END_TEST

/* Half of the bad links are A's, half D's. */
START_TEST(two_nodes_are_named_if_all_their_links_are_bad_and_no_other_end_explains_it) {
    struct judged_link links[] = {{A, B, .bad = true}, {A, C, .bad = true}, {D, E, .bad = true}, {D, F, .bad = true}};
    enum direction direction;
    ck_assert_uint_eq(named(links, 4, &direction), A);
    ck_assert_int_eq(direction, DIRECTION_OUT);
    links[0].bad = links[1].bad = false;
    ck_assert_uint_eq(named(links, 4, &direction), D);
    const struct judged_link square[] = {{A, C, .bad = true}, {A, D, .bad = true}, {B, C, .bad = true}, {B, D, .bad = true}};
    ck_assert_uint_eq(named(square, 4, &direction), NO_NUMBER);
}
END_TEST

START_TEST(the_node_that_explains_most_is_named_and_of_two_the_one_with_fewer_good_links) {
    const struct judged_link most[] = {{A, B, .bad = true}, {A, C, .bad = true}, {A, D, .bad = true},
                                       {A, E, .bad = true}, {F, B, .bad = true}, {F, C, .bad = true}};
    const struct judged_link equal[] = {{A, C, .bad = true}, {A, D, .bad = true}, {B, C, .bad = true}, {A, E}};
    enum direction direction;
    ck_assert_uint_eq(named(most, 6, &direction), A);
    ck_assert_uint_eq(named(equal, 4, &direction), C);
    ck_assert_uint_eq(named(equal, 3, &direction), NO_NUMBER);
}
END_TEST

START_TEST(a_link_is_at_the_end_of_a_node_in_its_direction) {
    const struct judged_link link = {A, B};
    ck_assert(is_at_end(&link, A, DIRECTION_OUT) && !is_at_end(&link, A, DIRECTION_IN));
    ck_assert(is_at_end(&link, B, DIRECTION_IN) && !is_at_end(&link, B, DIRECTION_OUT));
    ck_assert(is_at_end(&link, A, DIRECTION_BOTH) && is_at_end(&link, B, DIRECTION_BOTH) && !is_at_end(&link, C, DIRECTION_BOTH));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shared_end");
    TCase *tcase = tcase_create("shared_end");
    tcase_add_test(tcase, a_link_is_compared_with_the_lower_median_of_the_others_but_its_reverse);
    tcase_add_test(tcase, links_that_share_an_end_are_left_out_if_others_lose_less);
    tcase_add_test(tcase, a_node_is_named_for_most_of_its_links_if_they_are_most_of_the_bad_ones);
    tcase_add_test(tcase, two_nodes_are_named_if_all_their_links_are_bad_and_no_other_end_explains_it);
    tcase_add_test(tcase, the_node_that_explains_most_is_named_and_of_two_the_one_with_fewer_good_links);
    tcase_add_test(tcase, a_link_is_at_the_end_of_a_node_in_its_direction);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
