/* SPDX-License-Identifier: MIT */
#include "names.h"

#include "allocation.h"
#include "json_get.h"
#include "limits.h"
#include "text.h"

#include <errno.h>
#include <proto/address_id.h>
#include <proto/event_json.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <string.h>

#define NAME_COLUMNS_MAX 24

/* ---- sets of ids ---- */

static unsigned common_prefix(const char *a, const char *b) {
    unsigned count = 0;
    while (a[count] && a[count] == b[count]) count++;
    return count;
}

static void set_grow_digits(struct id_set *set, const char *a, const char *b) {
    unsigned digits = common_prefix(a, b) + 1;
    if (digits > set->digits) set->digits = digits;
}

static bool read_address(const char *node_id, struct trace_endpoint *ret_endpoint) {
    struct trace_node_id id;
    return trace_hex_decode(id.bytes, node_id, sizeof id.bytes) == 0 && trace_address_id_read(&id, ret_endpoint);
}

int names_is_address(const char *node_id) {
    struct trace_endpoint endpoint;
    return read_address(node_id, &endpoint);
}

/* Adds an id.  Out of memory, or beyond IDS_MAX, ids are merely not distinguished. */
static void set_add(struct id_set *set, const char *id) {
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(set->ids[middle], id);
        if (order == 0) return;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (set->count == IDS_MAX) return;
    char **ids = memory_room(set->ids, set->count, &set->capacity, sizeof *ids);
    if (!ids) return;
    set->ids = ids;
    char *copy = strdup(id);
    if (!copy) return;
    memmove(set->ids + low + 1, set->ids + low, (set->count - low) * sizeof *set->ids);
    set->ids[low] = copy;
    set->count++;
    if (low > 0) set_grow_digits(set, set->ids[low - 1], copy);
    if (low + 1 < set->count) set_grow_digits(set, copy, set->ids[low + 1]);
}

static void set_fini(struct id_set *set) {
    for (size_t i = 0; i < set->count; i++) free(set->ids[i]);
    free(set->ids);
    *set = (struct id_set){0};
}

/* ---- names ---- */

int names_init(struct names *names) {
    *names = (struct names){.nodes = {.digits = ID_DIGITS_MIN}, .traces = {.digits = ID_DIGITS_MIN}};
    names->columns = ID_DIGITS_MIN;
    names->by_id = json_object();
    names->by_name = json_object();
    names->by_log = json_object();
    names->shared = json_object();
    names->ranks = json_object();
    names->hosts = json_object();
    names->machines = json_object();
    if (names->by_id && names->by_name && names->by_log && names->shared && names->ranks && names->hosts && names->machines)
        return 0;
    names_fini(names);
    return -ENOMEM;
}

void names_fini(struct names *names) {
    set_fini(&names->nodes);
    set_fini(&names->traces);
    json_decref(names->by_id);
    json_decref(names->by_name);
    json_decref(names->by_log);
    json_decref(names->shared);
    json_decref(names->ranks);
    json_decref(names->hosts);
    json_decref(names->machines);
    json_decref(names->answer);
    names->answer = NULL;
    names->by_id = names->by_name = names->by_log = names->shared = names->ranks = names->hosts = names->machines = NULL;
}

static void measure_columns(struct names *names) {
    const char *id;
    json_t *name;
    struct strbuf text = {0};
    names->columns = ID_DIGITS_MIN;
    json_object_foreach(names->by_id, id, name) {
        (void)name;
        strbuf_clear(&text);
        names_node(&text, names, id);
        unsigned columns = text_columns(strbuf_text(&text), text.bytes);
        if (columns > names->columns) names->columns = columns;
    }
    strbuf_fini(&text);
}

static void log_key(char key[NODE_DIGITS + LOG_DIGITS + 1], const char *id, const char *log) {
    snprintf(key, NODE_DIGITS + LOG_DIGITS + 1, "%s%s", id, log);
}

/* Which ids do several live logs share?  By node id: the first log's name. */
static void learn_shared(struct names *names, const json_t *rows) {
    json_t *first = json_object(), *row;
    size_t i;
    json_object_clear(names->by_log);
    json_object_clear(names->shared);
    json_array_foreach(rows, i, row) {
        const char *id = json_get_hex(row, "node_id", NODE_DIGITS), *log = json_get_hex(row, "log", LOG_DIGITS);
        const char *name = json_get_text(row, "name"), *state = json_get_text(row, "state");
        const char *before = id ? json_string_value(json_object_get(names->shared, id)) : NULL;
        char key[NODE_DIGITS + LOG_DIGITS + 1];
        if (!id || !log || !name || !*name || !state || strcmp(state, "live") != 0) continue;
        log_key(key, id, log);
        json_object_set_new(names->by_log, key, json_string(name));
        if (!before) before = json_string_value(json_object_get(first, id));
        if (before && !strcmp(before, name)) continue; /* started again, and traced still takes its first log for alive */
        if (before)
            json_object_set_new(names->shared, id, json_sprintf("%s+%s", before, name));
        else
            json_object_set_new(first, id, json_string(name));
    }
    json_decref(first);
}

void names_learn(struct names *names, const json_t *nodes_answer) {
    size_t i;
    json_t *node;
    json_array_foreach(json_get_array(nodes_answer, "nodes"), i, node) {
        const char *id = json_get_hex(node, "node_id", NODE_DIGITS), *name = json_get_text(node, "name");
        if (!id || !name || !*name || json_object_size(names->by_id) >= NAMES_MAX) continue;
        const char *host = json_get_text(node, "host");
        set_add(&names->nodes, id);
        json_object_set_new(names->by_id, id, json_string(name));
        if (host) json_object_set_new(names->hosts, id, json_string(host));
        if (host) json_object_set_new(names->machines, host, json_true());
        if (!json_object_get(names->ranks, id))
            json_object_set_new(names->ranks, id, json_integer((json_int_t)json_object_size(names->ranks)));
        const json_t *owner = json_object_get(names->by_name, name);
        if (!owner)
            json_object_set_new(names->by_name, name, json_string(id));
        else if (json_is_string(owner) && strcmp(json_string_value(owner), id) != 0)
            json_object_set_new(names->by_name, name, json_null());
    }
    const json_t *logs = json_get_array(nodes_answer, "nodes");
    if (logs) {
        json_decref(names->answer);
        names->answer = json_incref((json_t *)nodes_answer);
    }
    learn_shared(names, logs);
    measure_columns(names);
}

const char *names_host(const struct names *names, const char *node_id) {
    return node_id ? json_string_value(json_object_get(names->hosts, node_id)) : NULL;
}

bool names_hosts_differ(const struct names *names) { return json_object_size(names->machines) > 1; }

static void see_string(struct names *names, const char *text) {
    if (json_is_hex(text, NODE_DIGITS)) {
        if (!names_is_address(text)) set_add(&names->nodes, text); /* shown as the address, whatever other ids there are */
    } else if (json_is_hex(text, TRACE_DIGITS)) {
        set_add(&names->traces, text);
    }
}

/* An application's own data may look like an id, but is not one. */
static bool is_payload(const char *key) { return !strcmp(key, "data") || !strcmp(key, "fields"); }

void names_see(struct names *names, const json_t *value) {
    if (json_is_string(value)) {
        see_string(names, json_string_value(value));
    } else if (json_is_array(value)) {
        size_t i;
        json_t *element;
        json_array_foreach(value, i, element) names_see(names, element);
    } else if (json_is_object(value)) {
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)value, key, member) {
            if (!is_payload(key)) names_see(names, member);
        }
    }
}

int names_knows(const struct names *names, const char *node_id) { return json_object_get(names->by_id, node_id) != NULL; }

unsigned names_rank(const struct names *names, const char *node_id) {
    return (unsigned)json_integer_value(json_object_get(names->ranks, node_id));
}

static void short_id(struct strbuf *out, const struct id_set *set, const char *id) {
    size_t digits = strlen(id);
    strbuf_add(out, id, digits < set->digits ? digits : set->digits);
}

void names_short_node(struct strbuf *out, const struct names *names, const char *node_id) {
    struct trace_endpoint endpoint;
    char text[TRACE_ENDPOINT_TEXT_MAX];
    if (!node_id)
        strbuf_puts(out, "-");
    else if (read_address(node_id, &endpoint))
        strbuf_add(out, text, (size_t)(trace_endpoint_text(text, &endpoint) - text));
    else
        short_id(out, &names->nodes, node_id);
}

void names_short_trace(struct strbuf *out, const struct names *names, const char *trace_id) {
    if (trace_id)
        short_id(out, &names->traces, trace_id);
    else
        strbuf_puts(out, "-");
}

void names_node(struct strbuf *out, const struct names *names, const char *node_id) {
    const char *name = node_id ? json_string_value(json_object_get(names->shared, node_id)) : NULL;
    if (!name && node_id) name = json_string_value(json_object_get(names->by_id, node_id));
    if (!name) {
        names_short_node(out, names, node_id);
        return;
    }
    text_untrusted(out, name, strlen(name), NAME_COLUMNS_MAX);
    if (json_is_null(json_object_get(names->by_name, name))) {
        strbuf_puts(out, "/");
        names_short_node(out, names, node_id);
    }
}

void names_event_node(struct strbuf *out, const struct names *names, const json_t *event) {
    const char *id = json_get_hex(event, "node_id", NODE_DIGITS), *log = json_get_hex(event, "log", LOG_DIGITS), *name = NULL;
    char key[NODE_DIGITS + LOG_DIGITS + 1];
    if (id && log && json_object_get(names->shared, id)) {
        log_key(key, id, log);
        name = json_string_value(json_object_get(names->by_log, key));
    }
    if (name)
        text_untrusted(out, name, strlen(name), NAME_COLUMNS_MAX);
    else
        names_node(out, names, id);
}
