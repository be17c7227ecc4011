/* SPDX-License-Identifier: MIT
 *
 * The part of Thrift's compact protocol that Parquet's metadata needs.  Write the fields of a struct in the order of their ids:
 *
 *     struct thrift thrift = {&buffer};
 *     thrift_i64(&thrift, 3, rows);
 *     thrift_begin(&thrift, 5);          a struct in field 5
 *     ...
 *     thrift_end(&thrift);
 *     thrift_end(&thrift);               ends the whole */
#ifndef INSPECTOR_THRIFT_H
#define INSPECTOR_THRIFT_H

#include "strbuf.h"

#include <stdint.h>

#define THRIFT_DEPTH 16

struct thrift {
    struct strbuf *out;
    int last[THRIFT_DEPTH]; /* ids of the last fields */
    unsigned depth;
};

enum thrift_type { THRIFT_I32 = 5, THRIFT_I64 = 6, THRIFT_BINARY = 8, THRIFT_LIST = 9, THRIFT_STRUCT = 12 };

void thrift_bool(struct thrift *thrift, int field, bool value);
void thrift_i8(struct thrift *thrift, int field, int8_t value);
void thrift_i32(struct thrift *thrift, int field, int32_t value);
void thrift_i64(struct thrift *thrift, int field, int64_t value);
void thrift_string(struct thrift *thrift, int field, const char *text);

/* A list's head; its elements follow. */
void thrift_list(struct thrift *thrift, int field, enum thrift_type type, size_t count);
void thrift_element_i32(struct thrift *thrift, int32_t value);
void thrift_element_string(struct thrift *thrift, const char *text);

/* A struct, in a field or (0) as an element. */
void thrift_begin(struct thrift *thrift, int field);
void thrift_end(struct thrift *thrift);

#endif
