/* SPDX-License-Identifier: MIT
 *
 * Handmade facts. */
#ifndef TESTS_INSPECTOR_FACTS_FIXTURE_H
#define TESTS_INSPECTOR_FACTS_FIXTURE_H

#include "facts.h"

#include <check.h>

/* Appends a fact of trace 0 to facts with reserved memory; each has its own sequence. */
static inline struct fact *facts_push(struct facts *facts, enum fact_kind kind, unsigned node, unsigned peer, uint64_t at_ns) {
    struct fact *fact = &facts->items[facts->count];
    ck_assert_uint_lt(facts->count, facts->capacity);
    *fact = (struct fact){.kind = (uint8_t)kind,
                          .node = node,
                          .peer = peer,
                          .time_ns = at_ns,
                          .command = NO_NUMBER,
                          .sequence = (uint32_t)facts->count};
    facts->count++;
    return fact;
}

#endif
