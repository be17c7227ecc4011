/* SPDX-License-Identifier: MIT */
#include "trigger_environment.h"

#include "json_get.h"
#include "json_put.h"
#include "records.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES_MAX 64

/* P2PTRACE_EVENT_DATA_PACKET_NUM from "packet_num"; false if the name has other characters: a node may have chosen it. */
static bool variable_of(char name[NAME_BYTES_MAX], const char *group, const char *field) {
    int bytes = snprintf(name, NAME_BYTES_MAX, "P2PTRACE_EVENT_%s%s", group, field);
    if (bytes < 0 || bytes >= NAME_BYTES_MAX) return false;
    for (; *name; name++) { /* the caller's pointer does not move */
        if (!isalnum((unsigned char)*name) && *name != '_') return false;
        *name = (char)toupper((unsigned char)*name);
    }
    return true;
}

/* Text as it is, anything else as JSON; omits null, and text with a NUL. */
static int set(json_t *environment, const char *group, const char *field, const json_t *value) {
    char name[NAME_BYTES_MAX];
    struct strbuf text = {0};
    if (!value || json_is_null(value) || !variable_of(name, group, field)) return 0;
    const char *string = json_string_value(value);
    if (string && strlen(string) != json_string_length(value)) return 0;
    if (string) return json_object_set_new(environment, name, json_string(string));
    int failed = json_put(&text, value, JSON_COMPACT) || json_object_set_new(environment, name, json_string(strbuf_text(&text)));
    strbuf_fini(&text);
    return failed;
}

static int set_group(json_t *environment, const char *group, const json_t *object) {
    const char *field;
    json_t *value;
    int failed = 0;
    json_object_foreach((json_t *)object, field, value) failed |= set(environment, group, field, value);
    return failed;
}

static int set_text(json_t *environment, const char *field, const struct strbuf *text) {
    json_t *value = json_string(strbuf_text(text));
    int failed = !value || text->failed || (text->bytes && set(environment, "", field, value));
    json_decref(value);
    return failed;
}

json_t *trigger_environment_new(const struct names *names, const json_t *event) {
    json_t *environment = json_object();
    struct strbuf text = {0};
    uint64_t ns;
    int failed = !environment || json_put(&text, event, JSON_COMPACT) ||
                 json_object_set_new(environment, "P2PTRACE_EVENT", json_string(strbuf_text(&text)));
    if (!failed) failed = set_group(environment, "", event);
    if (!failed) failed = set_group(environment, "DATA_", json_object_get(event, "data"));
    if (!failed) failed = set_group(environment, "FIELD_", json_object_get(event, "fields"));
    strbuf_clear(&text);
    if (json_get_time(event, &ns)) record_time(&text, ns);
    if (!failed) failed = set_text(environment, "TIME", &text);
    const char *node = json_get_hex(event, "node_id", NODE_DIGITS), *peer = json_get_hex(event, "peer_id", NODE_DIGITS);
    strbuf_clear(&text);
    if (node) names_event_node(&text, names, event);
    if (!failed) failed = set_text(environment, "NODE", &text);
    strbuf_clear(&text);
    if (peer) names_node(&text, names, peer);
    if (!failed) failed = set_text(environment, "PEER", &text);
    strbuf_fini(&text);
    if (!failed) return environment;
    json_decref(environment);
    return NULL;
}
