/* SPDX-License-Identifier: MIT
 *
 * The descriptors against the structs generated from the same table. */
#include "run.h"
#include <proto/event_table.h>
#include <string.h>

/* The size of a field in the event data. */
static size_t field_bytes(const struct trace_field_info *field) {
    switch (field->type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_bool:
    case TRACE_TYPE_space:
    case TRACE_TYPE_loss:
    case TRACE_TYPE_transport: return 1;
    case TRACE_TYPE_u16: return 2;
    case TRACE_TYPE_u32: return 4;
    case TRACE_TYPE_u64:
    case TRACE_TYPE_id64: return 8;
    case TRACE_TYPE_endpoint: return sizeof(struct trace_endpoint);
    case TRACE_TYPE_code4: return 4;
    case TRACE_TYPE_text: return field->length;
    case TRACE_TYPE_payload: return 1 + (size_t)field->length;
    }
    ck_abort_msg("an unknown type");
    return 0;
}

START_TEST(ids_are_those_that_are_written_into_recordings) {
    /* Append-only: a line of this list never changes. */
    static const struct {
        uint16_t id;
        const char *name;
    } kinds[] = {
        {1, "conn_init"},     {2, "conn_established"},  {3, "conn_closed"},     {4, "stream_opened"},  {5, "stream_data"},
        {6, "stream_closed"}, {7, "packet_sent"},       {8, "packet_received"}, {9, "packet_lost"},    {10, "metrics"},
        {11, "app_command"},  {12, "app_start"},        {13, "app_end"},        {14, "custom"},        {15, "events_lost"},
        {16, "message_sent"}, {17, "message_received"}, {18, "link"},           {19, "conn_migrated"}, {20, "conn_retry"},
        {21, "conn_version"}, {22, "conn_reset"},       {23, "early_data"},     {24, "key_updated"},   {25, "alias"}};
    unsigned count;
    trace_kind_table(&count);
    ck_assert_uint_ge(count, COUNT_OF(kinds));
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        ck_assert_ptr_nonnull(trace_kind_info(kinds[i].id));
        ck_assert_str_eq(trace_kind_info(kinds[i].id)->name, kinds[i].name);
        ck_assert_uint_eq(trace_kind_by_name(kinds[i].name), kinds[i].id);
    }
}
END_TEST

START_TEST(kinds_are_found_by_id_and_by_name_and_unknown_ones_are_not) {
    unsigned count, found = 0;
    const struct trace_kind_info *table = trace_kind_table(&count);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_ptr_eq(trace_kind_info(table[i].id), &table[i]);
        ck_assert_uint_eq(trace_kind_by_name(table[i].name), table[i].id);
    }
    for (unsigned id = 0; id <= UINT16_MAX; id++) found += trace_kind_info((uint16_t)id) != NULL;
    ck_assert_uint_eq(found, count);
    ck_assert_ptr_null(trace_kind_info(0));
    ck_assert_uint_eq(trace_kind_by_name("packet"), 0);
    ck_assert_uint_eq(trace_kind_by_name(""), 0);
    ck_assert_uint_eq(trace_kind_by_name("unknown"), 0);
}
END_TEST

START_TEST(fields_do_not_overlap_and_stay_in_the_event_data) {
    unsigned count;
    const struct trace_kind_info *kind = &trace_kind_table(&count)[_i];
    size_t end = 0;
    for (unsigned i = 0; i < kind->field_count; i++) {
        ck_assert_uint_ge(kind->fields[i].offset, end);
        end = kind->fields[i].offset + field_bytes(&kind->fields[i]);
    }
    ck_assert_uint_le(end, TRACE_EVENT_DATA_BYTES);
}
END_TEST

START_TEST(every_text_of_the_table_is_there) {
    unsigned count;
    const struct trace_kind_info *kind = &trace_kind_table(&count)[_i];
    ck_assert_uint_eq(strlen(kind->json), kind->json_bytes);
    ck_assert_uint_eq(kind->json_bytes, strlen(kind->name) + 2);
    ck_assert_int_eq(strncmp(kind->json + 1, kind->name, strlen(kind->name)), 0);
    ck_assert_int_eq(kind->doc[strlen(kind->doc) - 1], '.');
    for (unsigned i = 0; i < kind->field_count; i++) {
        const struct trace_field_info *field = &kind->fields[i];
        ck_assert_uint_eq(strlen(field->json), field->json_bytes);
        ck_assert_uint_eq(field->json_bytes, strlen(field->name) + 3);
        ck_assert_int_eq(strncmp(field->json + 1, field->name, strlen(field->name)), 0);
        ck_assert_int_eq(field->json[field->json_bytes - 1], ':');
        ck_assert_int_eq(field->doc[strlen(field->doc) - 1], '.');
        ck_assert_msg(strcmp(field->unit, "") == 0 || strcmp(field->unit, "ns") == 0 || strcmp(field->unit, "bytes") == 0,
                      "unit %s", field->unit);
    }
}
END_TEST

START_TEST(an_integer_field_has_the_value_of_its_struct_member) {
    struct trace_event event = {.kind = TRACE_KIND_STREAM_DATA};
    const struct trace_kind_info *kind = trace_kind_info(TRACE_KIND_STREAM_DATA);
    event.data.stream_data.stream_id = UINT64_MAX;
    event.data.stream_data.offset = UINT64_C(0x0123456789abcdef);
    event.data.stream_data.length = UINT32_C(0xfedcba98);
    event.data.stream_data.sent = 1;
    static const uint64_t expected[] = {UINT64_MAX, UINT64_C(0x0123456789abcdef), UINT32_C(0xfedcba98), 0, 1};
    ck_assert_uint_eq(kind->field_count, COUNT_OF(expected));
    for (unsigned i = 0; i < kind->field_count; i++)
        ck_assert_uint_eq(trace_field_unsigned(&event, &kind->fields[i]), expected[i]);

    struct trace_event start = {.kind = TRACE_KIND_APP_START};
    start.data.app_start.parent_id = 77;
    start.data.app_start.cmd = 0xabcd;
    kind = trace_kind_info(TRACE_KIND_APP_START);
    ck_assert_uint_eq(trace_field_unsigned(&start, &kind->fields[1]), 77);
    ck_assert_uint_eq(trace_field_unsigned(&start, &kind->fields[3]), 0xabcd);
}
END_TEST

START_TEST(flags_spaces_causes_and_transports_have_names_and_unknown_numbers_have_none) {
    ck_assert_str_eq(trace_flag_name(0), "sampled");
    ck_assert_str_eq(trace_flag_name(1), "debug");
    ck_assert_str_eq(trace_flag_name(2), "app_initiated");
    ck_assert_str_eq(trace_flag_name(3), "has_peer");
    ck_assert_str_eq(trace_flag_name(4), "future");
    ck_assert_str_eq(trace_flag_name(5), "retransmission");
    ck_assert_str_eq(trace_flag_name(6), "expired");
    ck_assert_ptr_null(trace_flag_name(8));
    ck_assert_str_eq(trace_space_name(TRACE_SPACE_INITIAL), "initial");
    ck_assert_str_eq(trace_space_name(TRACE_SPACE_HANDSHAKE), "handshake");
    ck_assert_str_eq(trace_space_name(TRACE_SPACE_1RTT), "1rtt");
    ck_assert_str_eq(trace_space_name(TRACE_SPACE_UDP), "udp");
    ck_assert_str_eq(trace_space_name(10), "other");
    ck_assert_ptr_null(trace_space_name(11));
    ck_assert_str_eq(trace_transport_name(0), "other");
    ck_assert_str_eq(trace_transport_name(TRACE_TRANSPORT_UDP), "udp");
    ck_assert_str_eq(trace_transport_name(15), "radio");
    ck_assert_ptr_null(trace_transport_name(16));
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) ck_assert_ptr_nonnull(trace_loss_name(cause));
    ck_assert_str_eq(trace_loss_name(TRACE_LOSS_OVERWRITTEN), "overwritten");
    ck_assert_ptr_null(trace_loss_name(TRACE_LOSS_COUNT));
}
END_TEST

int main(void) {
    unsigned count;
    trace_kind_table(&count);
    Suite *suite = suite_create("event_table");
    TCase *table = tcase_create("table");
    tcase_add_test(table, ids_are_those_that_are_written_into_recordings);
    tcase_add_test(table, kinds_are_found_by_id_and_by_name_and_unknown_ones_are_not);
    tcase_add_loop_test(table, fields_do_not_overlap_and_stay_in_the_event_data, 0, (int)count);
    tcase_add_loop_test(table, every_text_of_the_table_is_there, 0, (int)count);
    tcase_add_test(table, an_integer_field_has_the_value_of_its_struct_member);
    tcase_add_test(table, flags_spaces_causes_and_transports_have_names_and_unknown_numbers_have_none);
    suite_add_tcase(suite, table);
    return run_suite(suite);
}
