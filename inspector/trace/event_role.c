/* SPDX-License-Identifier: MIT */
#include "event_role.h"

#include "json_get.h"
#include "text.h"

#include <string.h>

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

/* arrow is NULL where a member of the data decides: that member true means arrow_true, else arrow_false. */
static const struct kind_arrow {
    const char *kind;
    const char *arrow;
    const char *member, *arrow_true, *arrow_false;
} arrows[] = {
    {"conn_init", NULL, "by_remote", back, forward},
    {"conn_established", both},
    {"conn_closed", NULL, "by_remote", back, forward},
    {"stream_opened", both},
    {"stream_data", NULL, "sent", forward, back},
    {"stream_closed", both},
    {"packet_sent", forward},
    {"packet_received", back},
    {"packet_lost", forward},
    {"metrics", both},
    {"app_command", both},
    {"app_start", back},
    {"app_end", forward},
    {"custom", both},
    {"events_lost", both},
};

const char *event_arrow(const json_t *event) {
    const char *kind = json_get_text(event, "kind");
    if (!json_get_hex(event, "peer_id", NODE_DIGITS)) return "";
    for (size_t i = 0; kind && i < sizeof arrows / sizeof *arrows; i++) {
        const struct kind_arrow *found = &arrows[i];
        if (strcmp(found->kind, kind) != 0) continue;
        if (found->arrow) return found->arrow;
        return json_get_bool(json_object_get(event, "data"), found->member) ? found->arrow_true : found->arrow_false;
    }
    return both;
}
