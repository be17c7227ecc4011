/* SPDX-License-Identifier: MIT */
#include "inquiry.h"

#include "json_get.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int inquiry_ask(struct inquiry *inquiry, const char *method, json_t *params_new, json_t **ret_result) {
    return source_ask(inquiry->source, method, params_new, NULL, ret_result, inquiry->failure);
}

/* The name of an index is a lower-case word; anything else must not reach a terminal. */
void inquiry_note(struct inquiry *inquiry, const json_t *answer) {
    const json_t *explain = json_object_get(answer, "explain");
    const char *index = json_get_text(explain, "index");
    if (!index || strlen(index) >= sizeof inquiry->index || index[strspn(index, "abcdefghijklmnopqrstuvwxyz")]) return;
    strcpy(inquiry->index, index);
    inquiry->examined += json_get_count(explain, "examined");
}

void inquiry_print_index(const struct inquiry *inquiry) {
    if (!*inquiry->index) return;
    fprintf(stderr, "inspector: index %s; events examined: %" PRIu64 "\n", inquiry->index, inquiry->examined);
}

void inquiry_print_evicted(const struct inquiry *inquiry) {
    uint64_t count = inquiry->evicted;
    if (!count) return;
    fprintf(stderr, "inspector: %" PRIu64 " event%s left the history before %s could be fetched\n", count, count == 1 ? "" : "s",
            count == 1 ? "it" : "they");
}
