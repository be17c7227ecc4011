/* SPDX-License-Identifier: MIT
 *
 * The event table at run time (proto/event_table.h): the lists of tbl/ expanded into constant data.
 *
 * A TRACE_FIELD does not know the kind it belongs to, but its offset is one in that kind's struct.  So it only leaves a tuple
 * behind, and EACH_FIELD hands each tuple on together with the kind. */
#include <proto/event_table.h>
#include <string.h>

/* The member of a kind's struct where a field of that type begins. */
#define FIRST_u8(name) name
#define FIRST_u16(name) name
#define FIRST_u32(name) name
#define FIRST_u64(name) name
#define FIRST_bool(name) name
#define FIRST_id64(name) name
#define FIRST_space(name) name
#define FIRST_loss(name) name
#define FIRST_transport(name) name
#define FIRST_endpoint(name) name
#define FIRST_code4(name) name
#define FIRST_text(name) name
#define FIRST_payload(name) name##_bytes

/* EACH_FIELD(kind, tuple, tuple, ... ~) makes ONE_FIELD(kind, tuple) of up to 8 tuples; the ~ ends the list. */
#define EACH_FIELD(kind, ...) \
    PICK(__VA_ARGS__, EACH_8, EACH_7, EACH_6, EACH_5, EACH_4, EACH_3, EACH_2, EACH_1, ~)(kind, __VA_ARGS__)
#define PICK(t1, t2, t3, t4, t5, t6, t7, t8, end, chosen, ...) chosen
#define EACH_1(kind, tuple, ...) ONE_FIELD(kind, tuple)
#define EACH_2(kind, tuple, ...) ONE_FIELD(kind, tuple) EACH_1(kind, __VA_ARGS__)
#define EACH_3(kind, tuple, ...) ONE_FIELD(kind, tuple) EACH_2(kind, __VA_ARGS__)
#define EACH_4(kind, tuple, ...) ONE_FIELD(kind, tuple) EACH_3(kind, __VA_ARGS__)
#define EACH_5(kind, tuple, ...) ONE_FIELD(kind, tuple) EACH_4(kind, __VA_ARGS__)
#define EACH_6(kind, tuple, ...) ONE_FIELD(kind, tuple) EACH_5(kind, __VA_ARGS__)
#define EACH_7(kind, tuple, ...) ONE_FIELD(kind, tuple) EACH_6(kind, __VA_ARGS__)
#define EACH_8(kind, tuple, ...) ONE_FIELD(kind, tuple) EACH_7(kind, __VA_ARGS__)
#define ONE_FIELD(kind, tuple) FIELD_INFO(kind, UNPACK tuple)
#define UNPACK(...) __VA_ARGS__
#define FIELD_INFO(...) FIELD_INFO_(__VA_ARGS__)
#define FIELD_INFO_(kind, type_, name_, first, length_, unit_, doc_) \
    {.name = name_,                                                  \
     .type = type_,                                                  \
     .offset = offsetof(struct trace_##kind, first),                 \
     .length = length_,                                              \
     .unit = sizeof unit_ == sizeof "-" ? "" : unit_,                \
     .doc = doc_,                                                    \
     .json_bytes = sizeof name_ + 2,                                 \
     .json = "\"" name_ "\":"},

#define TRACE_FIELD(type, name, length, unit, doc) (TRACE_TYPE_##type, #name, FIRST_##type(name), length, #unit, doc),
#define TRACE_KIND(id, name, NAME, doc, fields) \
    static const struct trace_field_info fields_##name[] = {EACH_FIELD(name, fields ~)};
#include "tbl/events.def"

/* A name that does not fit its array, with quotes and NUL, would be cut. */
#define TRACE_FIELD(type, name, length, unit, doc) \
    _Static_assert(sizeof #name + 3 <= TRACE_TABLE_JSON_BYTES, #name " is too long a name");
#define TRACE_KIND(id, name, NAME, doc, fields) \
    fields _Static_assert(sizeof #name + 2 <= TRACE_TABLE_JSON_BYTES, #name " is too long a name");
#include "tbl/events.def"

static const struct trace_kind_info kinds[] = {
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id_, name_, NAME, doc_, list)                      \
    {.id = id_,                                                       \
     .name = #name_,                                                  \
     .doc = doc_,                                                     \
     .fields = fields_##name_,                                        \
     .field_count = sizeof fields_##name_ / sizeof fields_##name_[0], \
     .json_bytes = sizeof #name_ + 1,                                 \
     .json = "\"" #name_ "\""},
#include "tbl/events.def"
};

/* The index of each kind in kinds[]. */
enum {
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id, name, NAME, doc, fields) INDEX_##name,
#include "tbl/events.def"
};

/* Two kinds, flags, spaces, causes or transports with one id would be two equal case labels. */
const struct trace_kind_info *trace_kind_info(uint16_t kind) {
    switch (kind) {
        // clang-format off
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id, name, NAME, doc, fields) case id: return &kinds[INDEX_##name];
#include "tbl/events.def"
        // clang-format on
    default: return NULL;
    }
}

const struct trace_kind_info *trace_kind_table(unsigned *ret_count) {
    *ret_count = sizeof kinds / sizeof kinds[0];
    return kinds;
}

uint16_t trace_kind_by_name(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0) return kinds[i].id;
    return 0;
}

const char *trace_flag_name(unsigned bit) {
    switch (bit) {
        // clang-format off
#define TRACE_FLAG(bit, name, NAME, doc) case bit: return #name;
#include "tbl/flags.def"
        // clang-format on
    default: return NULL;
    }
}

const char *trace_space_name(unsigned space) {
    switch (space) {
        // clang-format off
#define TRACE_SPACE(id, name, NAME, doc) case id: return name;
#include "tbl/spaces.def"
        // clang-format on
    default: return NULL;
    }
}

const char *trace_loss_name(unsigned cause) {
    switch (cause) {
        // clang-format off
#define TRACE_LOSS(id, name, NAME, doc) case id: return #name;
#include "tbl/losses.def"
        // clang-format on
    default: return NULL;
    }
}

const char *trace_transport_name(unsigned transport) {
    switch (transport) {
        // clang-format off
#define TRACE_TRANSPORT(id, name, NAME, doc) case id: return #name;
#include "tbl/transports.def"
        // clang-format on
    default: return NULL;
    }
}
