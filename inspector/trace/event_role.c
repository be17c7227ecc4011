/* SPDX-License-Identifier: MIT */
#include "event_role.h"

#include "json_get.h"
#include "text.h"

#include <string.h>

bool event_has_flag(const json_t *event, const char *flag) {
    size_t i;
    const json_t *name;
    json_array_foreach(json_get_array(event, "flags"), i, name) {
        if (json_is_string(name) && !strcmp(json_string_value(name), flag)) return true;
    }
    return false;
}

void event_command(struct strbuf *out, const json_t *event) {
    const char *command = json_get_text(event, "command");
    if (command && *command) {
        text_member(out, event, "command");
        return;
    }
    const json_t *data = json_object_get(event, "data");
    text_member(out, data, "app_id");
    strbuf_puts(out, " ");
    text_number(out, data, "cmd");
}

bool event_request(struct strbuf *out, const json_t *named, const json_t *numbered) {
    const char *app = json_get_text(named, "app"), *command = json_get_text(named, "command");
    if (!app && !json_get_text(numbered, "app_id")) return false;
    if (app && *app)
        text_member(out, named, "app");
    else
        text_member(out, numbered, "app_id");
    strbuf_puts(out, " ");
    if (command && *command)
        text_member(out, named, "command");
    else
        text_number(out, numbered, "cmd");
    return true;
}

static const char forward[] = "->", back[] = "<-", both[] = "<>";

/* By kind.  arrow is NULL where a member of the data decides: arrow_true if it is true, else arrow_false. */
static const struct kind_arrow {
    const char *arrow;
    const char *member, *arrow_true, *arrow_false;
} arrows[] = {
    [TRACE_KIND_CONN_INIT] = {NULL, "by_remote", back, forward},
    [TRACE_KIND_CONN_ESTABLISHED] = {both},
    [TRACE_KIND_CONN_CLOSED] = {NULL, "by_remote", back, forward},
    [TRACE_KIND_STREAM_OPENED] = {both},
    [TRACE_KIND_STREAM_DATA] = {NULL, "sent", forward, back},
    [TRACE_KIND_STREAM_CLOSED] = {both},
    [TRACE_KIND_PACKET_SENT] = {forward},
    [TRACE_KIND_PACKET_RECEIVED] = {back},
    [TRACE_KIND_PACKET_LOST] = {forward},
    [TRACE_KIND_METRICS] = {both},
    [TRACE_KIND_APP_COMMAND] = {both},
    [TRACE_KIND_APP_START] = {back},
    [TRACE_KIND_APP_END] = {forward},
    [TRACE_KIND_CUSTOM] = {both},
    [TRACE_KIND_EVENTS_LOST] = {both},
    [TRACE_KIND_MESSAGE_SENT] = {forward},
    [TRACE_KIND_MESSAGE_RECEIVED] = {back},
    [TRACE_KIND_LINK] = {both},
    [TRACE_KIND_CONN_MIGRATED] = {NULL, "by_remote", back, forward},
    [TRACE_KIND_CONN_RETRY] = {both},
    [TRACE_KIND_CONN_VERSION] = {both},
    [TRACE_KIND_CONN_RESET] = {back},
    [TRACE_KIND_EARLY_DATA] = {both},
    [TRACE_KIND_KEY_UPDATED] = {both},
};

const char *event_arrow(const json_t *event) {
    uint16_t kind = json_get_kind(event);
    if (!json_get_hex(event, "peer_id", NODE_DIGITS)) return "";
    if (kind >= sizeof arrows / sizeof *arrows) return both;
    const struct kind_arrow *found = &arrows[kind];
    if (!found->member) return found->arrow ? found->arrow : both; /* no arrow: a kind without an entry */
    return json_get_bool(json_object_get(event, "data"), found->member) ? found->arrow_true : found->arrow_false;
}
