/* SPDX-License-Identifier: MIT */
#include "path_doubts.h"

#include "allocation.h"
#include "limits.h"
#include "numbers.h"
#include "strbuf.h"

#include <errno.h>
#include <proto/filter.h>
#include <stdlib.h>

#define FILTER_BYTES (TRACE_FILTER_TEXT_MAX - 1024) /* room for one more place */
#define STOP_EVENTS 8                               /* any one shows that somebody did something */

int doubts_add(struct doubts *doubts, struct doubt doubt) {
    struct doubt *items = memory_room(doubts->items, doubts->count, &doubts->capacity, sizeof *items);
    if (!items) return -ENOMEM;
    doubts->items = items;
    doubts->items[doubts->count++] = doubt;
    return 0;
}

void doubts_fini(struct doubts *doubts) {
    free(doubts->items);
    *doubts = (struct doubts){0};
}

/* Is it the first about that node and peer? */
static bool is_new(const struct doubts *doubts, size_t index) {
    const struct doubt *doubt = &doubts->items[index];
    for (size_t i = 0; i < index; i++)
        if (doubts->items[i].node == doubt->node && doubts->items[i].peer == doubt->peer) return false;
    return true;
}

/* What may show that a node did something, or stood still while others sent to it; with a peer, what it got from it, and could
 * send to it; of a peer alone, what others got from it, and that events of it are missing. */
static void put_place(struct strbuf *where, const struct facts *facts, const struct doubt *doubt) {
    const char *node = facts_node(facts, doubt->node), *peer = facts_node(facts, doubt->peer);
    if (where->bytes) strbuf_puts(where, " or ");
    if (!node) {
        strbuf_printf(where, "(node == \"%s\" and events_lost)", peer);
        strbuf_printf(where, " or (peer == \"%s\" and (packet_received or message_received or stream_data))", peer);
        return;
    }
    if (!peer) {
        strbuf_printf(where, "node == \"%s\" or (peer == \"%s\" and (packet_sent or message_sent))", node, node);
        return;
    }
    strbuf_printf(where,
                  "(node == \"%s\" and peer == \"%s\" and (metrics or packet_received or message_received or stream_data))", node,
                  peer);
    strbuf_printf(where, " or (node == \"%s\" and peer == \"%s\" and packet_sent)", peer, node);
}

int doubts_question(const struct doubts *doubts, const struct facts *facts, json_t **ret_params) {
    struct strbuf where = {0};
    uint64_t from_ns = UINT64_MAX, to_ns = 0;
    *ret_params = NULL;
    if (!doubts->count) return 0;
    for (size_t i = 0; i < doubts->count; i++) {
        const struct doubt *doubt = &doubts->items[i];
        if (where.bytes < FILTER_BYTES && is_new(doubts, i)) put_place(&where, facts, doubt);
        unsigned of = doubt->node == NO_NUMBER ? doubt->peer : doubt->node;
        from_ns = least(from_ns, facts_unix(facts, of, doubt->from_ns));
        to_ns = greatest(to_ns, facts_unix(facts, of, doubt->to_ns));
    }
    json_int_t from_us = (json_int_t)(from_ns / 1000), to_us = (json_int_t)(to_ns / 1000);
    /* Those of too many nodes are among all events. */
    const char *filter = where.bytes < FILTER_BYTES ? where.text : NULL;
    if (!where.failed)
        *ret_params =
            json_pack("{s:I,s:I,s:s*,s:i}", "from", from_us, "to", to_us + 1, "filter", filter, "limit", BESIDE_EVENTS_MAX);
    strbuf_fini(&where);
    return *ret_params ? 0 : -ENOMEM;
}

int doubts_stop_question(const struct doubts *doubts, const struct facts *facts, json_t **ret_params, json_t **ret_looked) {
    const struct doubt *stop = &doubts->stop;
    *ret_params = *ret_looked = NULL;
    if (stop->from_ns >= stop->to_ns) return 0;
    json_int_t from_us = (json_int_t)(facts_unix(facts, stop->node, stop->from_ns) / 1000),
               to_us = (json_int_t)(facts_unix(facts, stop->node, stop->to_ns) / 1000);
    *ret_params =
        json_pack("{s:I,s:I,s:s,s:i}", "from", from_us, "to", to_us + 1, "filter", "not events_lost", "limit", STOP_EVENTS);
    *ret_looked = json_pack("[I,I]", from_us, to_us + 1);
    return *ret_params && *ret_looked ? 0 : -ENOMEM;
}
