/* SPDX-License-Identifier: MIT
 *
 * Addresses as ids: an address gives the same id in every notation, and the id contains the address. */
#include "ring_fixture.h"
#include <proto/address_id.h>
#include <proto/event_json.h>

static void assert_same(const char *a, const char *b) {
    struct trace_node_id x = trace_node_id_of_address(a), y = trace_node_id_of_address(b);
    ck_assert_msg(!memcmp(&x, &y, sizeof x), "%s is %s", a, b);
}

/* The address in an id; "" if the id is not an address. */
static const char *shown(struct trace_node_id id) {
    static char text[TRACE_ENDPOINT_TEXT_MAX + 1];
    struct trace_endpoint endpoint;
    *text = 0;
    if (trace_address_id_read(&id, &endpoint)) *trace_endpoint_text(text, &endpoint) = 0;
    return text;
}

START_TEST(an_address_comes_back_from_its_id) {
    static const char *const addresses[] = {"192.0.2.1:4001", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:4001",
                                            "[::]:1"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        ck_assert_str_eq(shown(trace_node_id_of_address(addresses[i])), addresses[i]);
}
END_TEST

START_TEST(one_address_has_one_id) {
    struct trace_endpoint endpoint = {.address = {192, 0, 2, 1}, .port = 4001, .family = 4};
    struct trace_endpoint mapped = {.address = {[10] = 0xff, 0xff, 192, 0, 2, 1}, .port = 4001, .family = 6};
    struct trace_node_id id = trace_node_id_of_address("192.0.2.1:4001"), of = trace_node_id_of_endpoint(&endpoint);
    ck_assert_mem_eq(&of, &id, sizeof id);
    of = trace_node_id_of_endpoint(&mapped);
    ck_assert_mem_eq(&of, &id, sizeof id);
    assert_same("[::ffff:192.0.2.1]:4001", "192.0.2.1:4001");
    assert_same("[2001:DB8:0:0::1]:4001", "[2001:db8::1]:4001");
    assert_same("192.0.2.1:04001", "192.0.2.1:4001");
}
END_TEST

START_TEST(an_address_has_its_endpoint_s_id_and_other_text_that_of_its_bytes) {
    static const char *const texts[] = {
        "192.0.2.1:4001", "[2001:db8::1]:4001", "192.0.2.1:65536", "192.0.2.1:", "192.0.2:1", "[::1]4001", "[::1", ":4001", "a:1",
        "192.0.2.1:+1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct trace_endpoint endpoint;
        bool has_port, is_endpoint = !trace_endpoint_parse(texts[i], &endpoint, &has_port) && has_port;
        struct trace_node_id id = trace_node_id_of_address(texts[i]);
        struct trace_node_id expected =
            is_endpoint ? trace_node_id_of_endpoint(&endpoint) : trace_node_id_from(texts[i], strlen(texts[i]));
        ck_assert_msg(!memcmp(&id, &expected, sizeof id), "%s", texts[i]);
    }
}
END_TEST

START_TEST(other_ids_are_not_addresses) {
    struct trace_node_id id = trace_node_id_of_address("192.0.2.1:4001"), none = {{0}};
    ck_assert_str_eq(shown(trace_node_id_of_address("node.example:443")), "");
    ck_assert_str_eq(shown(none), "");
    id.bytes[12] = 1; /* an IPv4 address has four bytes */
    ck_assert_str_eq(shown(id), "");
    id = trace_node_id_of_address("192.0.2.1:4001");
    id.bytes[18] = 5;
    ck_assert_str_eq(shown(id), "");
    id.bytes[18] = 4;
    id.bytes[31] = 0;
    ck_assert_str_eq(shown(id), "");
}
END_TEST

START_TEST(an_empty_address_has_no_id) {
    struct trace_endpoint endpoint = {.port = 1};
    struct trace_node_id none = {{0}}, id = trace_node_id_of_address("");
    ck_assert_mem_eq(&id, &none, sizeof none);
    id = trace_node_id_of_endpoint(&endpoint);
    ck_assert_mem_eq(&id, &none, sizeof none);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("address");
    TCase *tcase = tcase_create("address");
    tcase_add_test(tcase, an_address_comes_back_from_its_id);
    tcase_add_test(tcase, one_address_has_one_id);
    tcase_add_test(tcase, an_address_has_its_endpoint_s_id_and_other_text_that_of_its_bytes);
    tcase_add_test(tcase, other_ids_are_not_addresses);
    tcase_add_test(tcase, an_empty_address_has_no_id);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
