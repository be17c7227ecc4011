/* SPDX-License-Identifier: MIT
 *
 * What the answers of a fleet have in common (fleet_answers.h). */
#include "fleet_answers.h"
#include "source_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool same(const struct fleet_kept *kept, const struct trace_text *condition) {
    return kept->condition && strlen(kept->condition) == condition->bytes && !memcmp(kept->condition, condition->data, condition->bytes);
}

struct fleet_kept *fleet_kept_find(struct fleet_answers *answers, const struct trace_text *condition) {
    for (size_t i = 0; i < FLEET_PARTS_KEPT; i++) {
        if (!same(&answers->kept[i], condition)) continue;
        answers->kept[i].used = answers->questions;
        return &answers->kept[i];
    }
    return NULL;
}

void fleet_kept_drop(struct fleet_kept *kept) {
    source_close(kept->source);
    free(kept->condition);
    *kept = (struct fleet_kept){0};
}

static void close_store(void *store) { store_destroy(store); }

struct fleet_kept *fleet_kept_add(struct fleet_answers *answers, const struct trace_text *condition, struct store *store,
                                  struct failure *failure) {
    struct fleet_kept *kept = &answers->kept[0];
    for (size_t i = 1; i < FLEET_PARTS_KEPT; i++)
        if (answers->kept[i].used < kept->used) kept = &answers->kept[i];
    fleet_kept_drop(kept);
    if (source_store_open(&kept->source, store, (struct source_store_owner){close_store, store, NULL}, "the fleet", failure))
        return NULL;
    kept->condition = strndup(condition->data, condition->bytes);
    if (!kept->condition) {
        fleet_kept_drop(kept);
        (void)failure_out_of_memory(failure);
        return NULL;
    }
    kept->used = answers->questions;
    return kept;
}

int fleet_load_all(struct fleet_load *load, const char *condition, struct failure *failure) {
    struct fleet_part part = {.limit = FLEET_LOAD_EVENTS_MAX + 1 - load->events};
    if (fleet_load_events(load, condition, &part, failure)) return -1;
    if (!part.more) return 0;
    return failure_set(failure, EXIT_FAILED,
                       "this question needs more than %u events of the fleet, which is the most that is loaded for one: narrow it by "
                       "time, node, kind or filter, or ask ClickHouse itself with inspector sql",
                       FLEET_LOAD_EVENTS_MAX);
}

int fleet_first_ns(struct fleet_answers *answers, uint64_t *ret_first_ns, struct failure *failure) {
    struct trace_text sql = {0};
    struct row_reader rows;
    *ret_first_ns = answers->first_ns;
    if (answers->first_ns) return 0;
    fleet_put_format(&sql, "SELECT min(time_ns) FROM `%s`.events FORMAT RowBinary", clickhouse_database(answers->context.server));
    int result = fleet_ask(answers->context.server, &sql, &rows, failure);
    trace_text_fini(&sql);
    if (!result) *ret_first_ns = answers->first_ns = row_read_u64(&rows);
    return result;
}

int fleet_ask_store(struct fleet_question *question, struct source *store) {
    return source_ask(store, question->method, json_incref(question->params), question->apart, question->ret_result,
                      question->failure);
}
