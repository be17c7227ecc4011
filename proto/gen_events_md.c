/* SPDX-License-Identifier: MIT
 *
 * Generates docs/events.md from the tables, into FILE or to standard output.
 *
 *     gen_events_md [FILE]
 *
 * The build runs it, and a test compares the result with the file in docs/. */
#include <proto/event_table.h>
#include <stdio.h>

struct row {
    unsigned id;
    const char *name, *doc;
};

static const struct row flags[] = {
#define TRACE_FLAG(bit, name, NAME, doc) {bit, #name, doc},
#include "tbl/flags.def"
};

static const struct row spaces[] = {
#define TRACE_SPACE(id, name, NAME, doc) {id, name, doc},
#include "tbl/spaces.def"
};

static const struct row transports[] = {
#define TRACE_TRANSPORT(id, name, NAME, doc) {id, #name, doc},
#include "tbl/transports.def"
};

static const struct row losses[] = {
#define TRACE_LOSS(id, name, NAME, doc) {id, #name, doc},
#include "tbl/losses.def"
};

/* Each type in JSON. */
static const char *type_text(enum trace_type type) {
    switch (type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_u16:
    case TRACE_TYPE_u32: return "integer";
    case TRACE_TYPE_u64: return "integer, or a decimal string above 2^63 - 1";
    case TRACE_TYPE_bool: return "`true` or `false`";
    case TRACE_TYPE_id64: return "16 hex digits";
    case TRACE_TYPE_space: return "name of a packet number space; a number where there is no name";
    case TRACE_TYPE_loss: return "name of a cause; a number where there is no name";
    case TRACE_TYPE_transport: return "name of a transport; a number where there is no name";
    case TRACE_TYPE_endpoint: return "`\"192.0.2.1:4433\"`, `\"[2001:db8::1]:4433\"`, or `null`";
    case TRACE_TYPE_code4: return "up to 4 characters";
    case TRACE_TYPE_text: return "text; bytes that are not UTF-8 become U+FFFD";
    case TRACE_TYPE_payload: return "hex, two digits for each byte";
    }
    return "?";
}

static const char *type_name(enum trace_type type) {
    switch (type) {
    case TRACE_TYPE_u8: return "u8";
    case TRACE_TYPE_u16: return "u16";
    case TRACE_TYPE_u32: return "u32";
    case TRACE_TYPE_u64: return "u64";
    case TRACE_TYPE_bool: return "bool";
    case TRACE_TYPE_id64: return "id64";
    case TRACE_TYPE_space: return "space";
    case TRACE_TYPE_loss: return "loss";
    case TRACE_TYPE_transport: return "transport";
    case TRACE_TYPE_endpoint: return "endpoint";
    case TRACE_TYPE_code4: return "code4";
    case TRACE_TYPE_text: return "text";
    case TRACE_TYPE_payload: return "payload";
    }
    return "?";
}

static void write_rows(FILE *out, const char *title, const char *intro, const char *id, const struct row *rows, size_t count) {
    fprintf(out, "\n## %s\n\n%s\n\n| %s | name | |\n|---|---|---|\n", title, intro, id);
    for (size_t i = 0; i < count; i++) fprintf(out, "| %u | `%s` | %s |\n", rows[i].id, rows[i].name, rows[i].doc);
}

static void write_kind(FILE *out, const struct trace_kind_info *kind) {
    fprintf(out, "\n### %s\n\n%s Kind %u.\n\n| field | type | unit | |\n|---|---|---|---|\n", kind->name, kind->doc, kind->id);
    for (unsigned i = 0; i < kind->field_count; i++) {
        const struct trace_field_info *field = &kind->fields[i];
        fprintf(out, "| `%s` | %s", field->name, type_name(field->type));
        if (field->type == TRACE_TYPE_text || field->type == TRACE_TYPE_payload) fprintf(out, "[%u]", field->length);
        fprintf(out, " | %s | %s |\n", field->unit, field->doc);
    }
}

static void write_types(FILE *out) {
    fputs("\n## Types\n\nHow each type of field is written in JSON. `[n]` after a type is its maximum length in bytes.\n\n"
          "| type | in JSON |\n|---|---|\n",
          out);
    for (int type = TRACE_TYPE_u8; type <= TRACE_TYPE_payload; type++)
        fprintf(out, "| %s | %s |\n", type_name((enum trace_type)type), type_text((enum trace_type)type));
}

static void write_document(FILE *out) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    fputs("<!-- Generated from proto/tbl by proto/gen_events_md.c: `meson compile -C build events-md` writes it. -->\n"
          "# Events\n\n"
          "Every kind of event, with the fields of its `data`. `docs/protocol.md` has the other members of an event. Ids are "
          "never\n"
          "reused; a later version may add kinds, and append fields to a kind.\n\n"
          "| id | kind | |\n|---|---|---|\n",
          out);
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "| %u | [%s](#%s) | %s |\n", kinds[i].id, kinds[i].name, kinds[i].name, kinds[i].doc);
    fputs("\n## Kinds\n", out);
    for (unsigned i = 0; i < count; i++) write_kind(out, &kinds[i]);
    write_types(out);
    write_rows(out, "Flags", "Bits of an event's flags. The JSON form does not list `has_peer`, because `peer_id` says it.",
               "bit", flags, sizeof flags / sizeof flags[0]);
    write_rows(out, "Packet number spaces", "The values of `space`.", "id", spaces, sizeof spaces / sizeof spaces[0]);
    write_rows(out, "Transports", "The values of `transport`.", "id", transports, sizeof transports / sizeof transports[0]);
    write_rows(out, "Causes of loss",
               "The values of `cause`. For each lane of a node, the events emitted are those indexed plus those lost to these "
               "causes.",
               "id", losses, sizeof losses / sizeof losses[0]);
}

int main(int argc, char **argv) {
    FILE *out = argc > 1 ? fopen(argv[1], "w") : stdout;
    if (!out) {
        perror(argv[1]);
        return 1;
    }
    write_document(out);
    if (ferror(out) || fclose(out) != 0) {
        perror("gen_events_md");
        return 1;
    }
    return 0;
}
