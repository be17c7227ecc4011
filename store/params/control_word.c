/* SPDX-License-Identifier: MIT
 *
 * See control_word.h. */
#include <store/control_word.h>

#include <p2ptrace/shm.h>
#include <proto/event_table.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sampling ----------------------------------------------------------------------------------------------------------- */

uint32_t control_word_threshold(double share) {
    uint64_t kept = (uint64_t)(share * 4294967296.0 + 0.5); /* of 2^32 hashes */
    if (kept > UINT64_C(1) << 32) kept = UINT64_C(1) << 32;
    return !kept ? 0 : (uint32_t)(kept - 1);
}

double control_word_share(uint32_t threshold) {
    double exact = ((double)threshold + 1) / 4294967296.0;
    for (int digits = 1; digits < 17; digits++) {
        char text[32];
        snprintf(text, sizeof text, "%.*g", digits, exact);
        double share = strtod(text, NULL);
        if (control_word_threshold(share) == threshold) return share;
    }
    return exact;
}

/* ---- kinds -------------------------------------------------------------------------------------------------------------- */

static uint32_t kind_bit(uint16_t kind) { return (uint32_t)TRACE_CONTROL_KIND_BIT(kind); }

/* The bits of the kinds that a node may emit: all except 0, which is not a kind, and events_lost, which only traced writes. */
static const uint32_t emitted_kinds = UINT32_MAX & ~(UINT32_C(1) | (uint32_t)TRACE_CONTROL_KIND_BIT(TRACE_KIND_EVENTS_LOST));

/* The ones without a name in this version; a node may be newer. */
static uint32_t unknown_kinds(void) {
    unsigned count;
    const struct trace_kind_info *table = trace_kind_table(&count);
    uint32_t kinds = emitted_kinds;
    for (unsigned i = 0; i < count; i++) kinds &= ~kind_bit(table[i].id);
    return kinds;
}

static int add_kind(const char *name, uint32_t *kinds, struct trace_rpc_error *ret_error) {
    uint16_t kind = trace_kind_by_name(name);
    if (kind == TRACE_KIND_EVENTS_LOST)
        return trace_rpc_fail_param(ret_error, "kinds", "kinds: only traced writes %s; no node emits it", name);
    if (kind)
        *kinds |= kind_bit(kind);
    else if (!strcmp(name, "unknown"))
        *kinds |= unknown_kinds();
    else
        return trace_rpc_fail_param(ret_error, "kinds", "kinds: there is no kind \"%.80s\"", name);
    return 0;
}

int control_word_read_kinds(const json_t *value, uint32_t *ret_kinds, struct trace_rpc_error *ret_error) {
    const char *text = json_string_value(value);
    uint32_t kinds = 0;
    size_t i;
    const json_t *name;
    if (text && !strcmp(text, "all"))
        kinds = UINT32_MAX;
    else if (text && strcmp(text, "none") != 0 && add_kind(text, &kinds, ret_error))
        return -1;
    json_array_foreach(value, i, name) if (add_kind(json_string_value(name), &kinds, ret_error)) return -1;
    *ret_kinds = kinds;
    return 0;
}

static json_t *kinds_json(uint32_t kinds) {
    unsigned count;
    const struct trace_kind_info *table = trace_kind_table(&count);
    kinds &= emitted_kinds;
    if (kinds == emitted_kinds) return json_string("all");
    if (kinds == 0) return json_string("none");
    json_t *names = json_array();
    for (unsigned i = 0; i < count; i++)
        if (kinds & kind_bit(table[i].id)) json_array_append_new(names, json_string(table[i].name));
    if (kinds & unknown_kinds()) json_array_append_new(names, json_string("unknown"));
    return names;
}

void control_word_set(json_t *object, uint64_t word) {
    json_object_set_new(object, "kinds", kinds_json((uint32_t)word));
    json_object_set_new(object, "sample", json_real(control_word_share(TRACE_CONTROL_SAMPLE(word))));
}
