/* SPDX-License-Identifier: MIT
 *
 * Compiles as long as today's headers keep what version 1.0 promised: the parameters of each function, the offset of each
 * struct member, the size of structs that are passed without one, and numbers. */
#define V1(tag) v1_##tag
#include "structs.h"

#include <p2ptrace/shared.h>

#include "functions.def" /* parameters that differ from shared.h do not compile */

#define SIZE_OF_MEMBER(type, member) sizeof(((type *)0)->member)
#define MEMBER(tag, member)                                                                           \
    _Static_assert(offsetof(struct tag, member) == offsetof(struct v1_##tag, member) &&               \
                       SIZE_OF_MEMBER(struct tag, member) == SIZE_OF_MEMBER(struct v1_##tag, member), \
                   #tag "." #member " is where it was");
#define WHOLE(tag) _Static_assert(sizeof(struct tag) == sizeof(struct v1_##tag), #tag " is as large as it was");
#define NUMBER(name, number) _Static_assert((name) == (number), #name " is what it was");
#define KIND(NAME, number) NUMBER(TRACE_KIND_##NAME, number)
#include "layout.def"
