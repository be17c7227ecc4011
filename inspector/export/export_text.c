/* SPDX-License-Identifier: MIT
 *
 * Pieces of text that formats share. */
#include "export_format.h"

#include <proto/event_json.h>
#include <proto/event_table.h>
#include <proto/hex.h>
#include <string.h>

char *put_u64(char *out, uint64_t number) {
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count) *out++ = digits[--count];
    return out;
}

char *put_fixed(char *out, uint64_t number, unsigned digits) {
    uint64_t scale = 1;
    for (unsigned i = 0; i < digits; i++) scale *= 10;
    out = put_u64(out, number / scale);
    *out++ = '.';
    for (uint64_t rest = number % scale; digits--; rest %= scale) {
        scale /= 10;
        *out++ = (char)('0' + rest / scale);
    }
    return out;
}

char *put_since(char *out, uint64_t now_ns, uint64_t base_ns, unsigned digits) {
    if (now_ns >= base_ns) return put_fixed(out, now_ns - base_ns, digits);
    *out++ = '-';
    return put_fixed(out, base_ns - now_ns, digits);
}

char *put_hex(char *out, const void *bytes, size_t count) { return trace_hex_encode(out, bytes, count); }

bool trace_id_is_zero(const struct trace_id *id) {
    uint64_t halves[2];
    memcpy(halves, id->bytes, sizeof halves);
    return !(halves[0] | halves[1]);
}

static bool is_string(struct json_span value) { return value.bytes >= 2 && *value.text == '"'; }

/* The application's four characters and the command's number. */
static char *put_numbered(char *out, const char app_id[4], uint16_t cmd) {
    char json[6 * 4 + 2], *end = trace_json_string(json, app_id, strnlen(app_id, 4));
    out = put_bytes(out, json + 1, (size_t)(end - json) - 2);
    *out++ = ' ';
    return put_u64(out, cmd);
}

char *put_title(char *out, const struct export_event *event) {
    if (is_string(event->app) && is_string(event->command)) {
        out = put_inner(out, event->app);
        *out++ = ' ';
        return put_inner(out, event->command);
    }
    uint16_t cmd;
    const char *app_id = trace_event_app(event->event, &cmd);
    return app_id ? put_numbered(out, app_id, cmd) : put_text(out, event->kind_name);
}

char *put_origin(char *out, const struct export_event *event) {
    const struct trace_event *own = event->event;
    if (!trace_id_is_zero(&own->trace_id))
        out = PUT(put_hex(PUT(out, ",\"trace_id\":\""), own->trace_id.bytes, sizeof own->trace_id.bytes), "\"");
    if (event_has_peer(event))
        out = PUT(put_hex(PUT(out, ",\"peer_id\":\""), own->peer_id.bytes, sizeof own->peer_id.bytes), "\"");
    out = put_u64(PUT(out, ",\"lane\":"), event->lane);
    return put_u64(PUT(out, ",\"sequence\":"), own->sequence);
}
