/* SPDX-License-Identifier: MIT */
#include "complete.h"

#include "command.h"
#include "config.h"
#include "formats.h"
#include "json_get.h"
#include "topics.h"

#include <ctype.h>
#include <inttypes.h>
#include <proto/event_table.h>
#include <stdio.h>
#include <string.h>

#define TRACES_OFFERED 40U    /* when no digit of the id was typed */
#define TRACES_SEARCHED 2000U /* when some were */
#define PHRASE_COLUMNS 60U

/* What the words up to the cursor mean. */
struct completion {
    source_opener *opener;
    struct options options;        /* options given so far */
    const struct command *command; /* NULL: it is being completed, or there is no such command */
    bool command_given, help;
    unsigned arg_count;  /* after the command */
    const char *arg;     /* the first argument */
    bool only_args;      /* after -- */
    enum option pending; /* the last word is its value; OPTION_COUNT_: none */
    const char *word;    /* the word to complete */
    const char *part;    /* the part of it that a candidate replaces: after --option=, or a comma */
    struct strbuf out;
};

/* ---- candidates ---- */

static bool is_plain(const char *text) {
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("-_.,+@%/", *text)) return false;
    return true;
}

/* Offers a text if it begins with the part. */
static void offer_text(struct completion *completion, const char *candidate, const char *phrase) {
    if (!*candidate || strncmp(candidate, completion->part, strlen(completion->part)) != 0) return;
    strbuf_add(&completion->out, completion->word, (size_t)(completion->part - completion->word));
    strbuf_printf(&completion->out, "%s\t", candidate);
    text_untrusted(&completion->out, phrase, strlen(phrase), PHRASE_COLUMNS);
    strbuf_puts(&completion->out, "\n");
}

/* Offers a candidate, if it needs no quotes. */
static void offer_candidate(struct completion *completion, const char *candidate, const char *phrase) {
    if (is_plain(candidate)) offer_text(completion, candidate, phrase);
}

/* The scripts for the shells know what to do with colons and brackets. */
static void offer_address(struct completion *completion, const char *address, const char *phrase) {
    if (strspn(address, "0123456789abcdef.:[]") == strlen(address)) offer_text(completion, address, phrase);
}

/* A name that traced or a node chose: one that looks like an option is never offered. */
static bool is_typable(const char *name) { return is_plain(name) && *name != '-'; }

static void offer_name(struct completion *completion, const char *name, const char *phrase) {
    if (is_typable(name)) offer_candidate(completion, name, phrase);
}

static void offer_all(struct completion *completion, const char *const *candidates, const char *phrase) {
    for (; *candidates; candidates++) offer_candidate(completion, *candidates, phrase);
}

static void offer_commands(struct completion *completion) {
    for (size_t i = 0; i < command_count; i++) offer_candidate(completion, command_table[i].name, command_table[i].summary);
    offer_candidate(completion, "help", "this; a command with its own options; or a topic");
}

/* Before the command every option is allowed; those of all commands come first. */
static uint64_t allowed_options(const struct completion *completion) {
    if (completion->command) return command_options(completion->command);
    return strlen(completion->part) > strlen("--") ? UINT64_MAX : OPTIONS_COMMON | OPTIONS_SOURCE;
}

static void offer_options(struct completion *completion) {
    uint64_t bits = allowed_options(completion);
    char spelling[32];
    for (unsigned i = 0; i < OPTION_COUNT_; i++) {
        if (!((bits & ~completion->options.given) >> i & 1)) continue;
        const struct option_info *option = command_option(completion->command, (enum option)i);
        snprintf(spelling, sizeof spelling, "--%s", option->spelling);
        offer_candidate(completion, spelling, option->help);
    }
}

/* Moves the part after the last comma.  Returns where the list begins. */
static const char *begin_list(struct completion *completion) {
    const char *list = completion->part, *comma = strrchr(list, ',');
    if (comma) completion->part = comma + 1;
    return list;
}

/* Does not offer what the list already has. */
static void offer_listed(struct completion *completion, const char *list, const char *name, const char *phrase) {
    for (const char *given = list; given < completion->part; given = strchr(given, ',') + 1) {
        size_t bytes = strcspn(given, ",");
        if (strlen(name) == bytes && !strncmp(given, name, bytes)) return;
    }
    offer_candidate(completion, name, phrase);
}

static void offer_kinds(struct completion *completion) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    const char *list = begin_list(completion);
    for (unsigned i = 0; i < count; i++) offer_listed(completion, list, kinds[i].name, kinds[i].doc);
}

/* Does an earlier kind have a field of that name? */
static bool is_repeated(const struct trace_kind_info *kinds, unsigned kind, const char *name) {
    for (unsigned k = 0; k < kind; k++)
        for (unsigned i = 0; i < kinds[k].field_count; i++)
            if (!strcmp(kinds[k].fields[i].name, name)) return true;
    return false;
}

static void offer_fields(struct completion *completion) {
    static const char *const every[] = {"kind", "node", "host", "peer", "trace", "time/1s", "lane", "flags", "app", "command"};
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    const char *list = begin_list(completion);
    for (size_t i = 0; i < sizeof every / sizeof *every; i++) offer_listed(completion, list, every[i], "of every event");
    for (unsigned k = 0; k < count; k++) {
        for (unsigned i = 0; i < kinds[k].field_count; i++) {
            const struct trace_field_info *field = &kinds[k].fields[i];
            if (!is_repeated(kinds, k, field->name)) offer_listed(completion, list, field->name, field->doc);
        }
    }
}

/* ---- what traced knows ---- */

/* Offers an id, as short as possible; in full if more than that was typed. */
static void offer_id(struct completion *completion, const struct id_set *ids, const char *id, const char *phrase) {
    char text[NODE_DIGITS + 1];
    size_t typed = strlen(completion->part);
    if (!id) return;
    snprintf(text, sizeof text, "%.*s", typed > ids->digits ? NODE_DIGITS : (int)ids->digits, id);
    offer_candidate(completion, text, phrase);
}

/* Offers the addresses of a node or peer. */
static void offer_addresses(struct completion *completion, const json_t *row, const char *name) {
    size_t i;
    const json_t *alias;
    json_array_foreach(json_get_array(row, "aliases"), i, alias) {
        const char *address = json_get_text(alias, "address");
        if (address && !json_get_bool(alias, "disputed")) offer_address(completion, address, name ? name : "an address");
    }
}

/* Offers an id; the address, if only that is known. */
static void offer_id_or_address(struct completion *completion, struct session *session, const char *id, const char *phrase) {
    struct strbuf address = {0};
    if (!id || !names_is_address(id)) {
        offer_id(completion, &session->names.nodes, id, phrase);
        return;
    }
    names_short_node(&address, &session->names, id);
    offer_address(completion, strbuf_text(&address), *phrase ? phrase : "an address");
    strbuf_fini(&address);
}

/* Offers nodes or peers: by name or address; by id if the name cannot be typed, or an id was begun. */
static void offer_nodes(struct completion *completion, struct session *session, const char *method, const char *id_key) {
    json_t *answer;
    size_t i;
    const json_t *row;
    if (session_ask(session, method, NULL, &answer)) return;
    names_see(&session->names, answer);
    json_array_foreach(json_get_array(answer, method), i, row) {
        const char *name = json_get_text(row, "name"), *state = json_get_text(row, "state");
        struct strbuf phrase = {0};
        strbuf_printf(&phrase, "%s%s%s", name ? name : "", name && state ? ", " : "", state ? state : "");
        if (name) offer_name(completion, name, state ? state : "a peer");
        if (!name || !is_typable(name) || *completion->part)
            offer_id_or_address(completion, session, json_get_hex(row, id_key, NODE_DIGITS), strbuf_text(&phrase));
        offer_addresses(completion, row, name);
        strbuf_fini(&phrase);
    }
    json_decref(answer);
}

/* "DataMap GET_CHUNK ok, 53.4 ms". */
static void trace_phrase(struct strbuf *out, const json_t *row) {
    const char *app = json_get_text(row, "app"), *command = json_get_text(row, "command"),
               *outcome = json_get_text(row, "outcome");
    if (app) strbuf_printf(out, "%s ", app);
    if (command) strbuf_printf(out, "%s ", command);
    strbuf_printf(out, "%s, ", outcome ? outcome : "");
    text_duration(out, json_get_count(row, "duration"));
}

/* The newest first; requests before connections, because they are what people look for. */
static void offer_traces(struct completion *completion, struct session *session) {
    json_t *answer;
    size_t i;
    const json_t *row;
    unsigned limit = *completion->part ? TRACES_SEARCHED : TRACES_OFFERED;
    if (session_ask(session, "traces", json_pack("{s:i}", "limit", (int)limit), &answer)) return;
    names_see(&session->names, answer);
    for (int requests = 1; requests >= 0; requests--) {
        json_array_foreach(json_get_array(answer, "traces"), i, row) {
            struct strbuf phrase = {0};
            bool request = json_is_string(json_object_get(row, "app_id"));
            if (request != (requests == 1)) continue;
            trace_phrase(&phrase, row);
            offer_id(completion, &session->names.traces, json_get_hex(row, "trace_id", TRACE_DIGITS), strbuf_text(&phrase));
            strbuf_fini(&phrase);
        }
    }
    json_decref(answer);
}

/* Offers the processes of live nodes. */
static void offer_pids(struct completion *completion, struct session *session) {
    json_t *answer;
    size_t i;
    const json_t *row;
    if (session_ask(session, "nodes", NULL, &answer)) return;
    json_array_foreach(json_get_array(answer, "nodes"), i, row) {
        char pid[24];
        const char *name = json_get_text(row, "name"), *state = json_get_text(row, "state");
        snprintf(pid, sizeof pid, "%" PRIu64, json_get_count(row, "pid"));
        if (state && !strcmp(state, "live")) offer_candidate(completion, pid, name ? name : "");
    }
    json_decref(answer);
}

static void offer_apps(struct completion *completion, struct session *session) {
    json_t *answer;
    size_t i;
    const json_t *row;
    if (session_ask(session, "apps", NULL, &answer)) return;
    json_array_foreach(json_get_array(answer, "apps"), i, row) {
        const char *id = json_get_text(row, "app_id"), *name = json_get_text(row, "name");
        if (id) offer_name(completion, id, name ? name : "");
    }
    json_decref(answer);
}

static void offer_methods(struct completion *completion, struct session *session) {
    json_t *answer;
    size_t i;
    const json_t *name;
    if (session_ask(session, "hello", NULL, &answer)) return;
    json_array_foreach(json_get_array(answer, "methods"), i, name) {
        if (json_is_string(name)) offer_name(completion, json_string_value(name), "a method");
    }
    json_decref(answer);
}

static void offer_live(struct completion *completion, enum value_type type) {
    struct session session;
    int failed = session_init(&session, &completion->options, completion->opener) || session_open(&session, COMPLETE_TIMEOUT_MS);
    if (!failed && type == VALUE_NODE) offer_nodes(completion, &session, "nodes", "node_id");
    if (!failed && type == VALUE_PEER) offer_nodes(completion, &session, "peers", "peer_id");
    if (!failed && type == VALUE_TRACE) offer_traces(completion, &session);
    if (!failed && type == VALUE_APP) offer_apps(completion, &session);
    if (!failed && type == VALUE_PID) offer_pids(completion, &session);
    if (!failed && type == VALUE_METHOD) offer_methods(completion, &session);
    session_fini(&session);
}

static bool is_command(const char *name) { return find_command(name); }

/* Offers the saved filters.  If the configuration cannot be read, offers nothing; the command will say why. */
static void offer_filters(struct completion *completion) {
    struct config config;
    struct failure ignored;
    int failed = config_read(&config, is_command, &ignored);
    for (unsigned i = 0; !failed && i < config.count; i++) {
        char name[80];
        if (config.entries[i].kind != CONFIG_FILTER) continue;
        snprintf(name, sizeof name, "@%s", config.entries[i].name);
        offer_candidate(completion, name, config.entries[i].value);
    }
    config_fini(&config);
}

/* Offers formats of tables, or of export. */
static void offer_formats(struct completion *completion) {
    bool own = completion->command && completion->command->own_format;
    if (!own) offer_all(completion, format_words, "");
    for (size_t i = 0; own && i < export_format_count; i++)
        offer_candidate(completion, export_formats[i]->name, export_formats[i]->doc);
}

/* Offers the fields of the command's rows. */
static void offer_row_fields(struct completion *completion, const struct list *rows) {
    const char *list = begin_list(completion);
    for (unsigned i = 0; i < rows->count; i++) offer_listed(completion, list, rows->columns[i].field, "");
}

static void offer_values(struct completion *completion, enum value_type type) {
    static const char *const times[] = {"now", "-1s", "-10s", "-1m", "-10m", "-1h", NULL};
    static const char *const durations[] = {"1s", "10s", "1m", "10m", NULL};
    static const char *const speeds[] = {"1x", "10x", "0.1x", NULL};
    static const char *const shares[] = {"1", "1/10", "1/100", "1/1000", NULL};
    switch (type) {
    case VALUE_COLOR:
    case VALUE_ORDER:
    case VALUE_QLOG_NAMES: offer_all(completion, option_words(type), ""); break;
    case VALUE_TIME: offer_all(completion, times, ""); break;
    case VALUE_DURATION:
    case VALUE_SECONDS: offer_all(completion, durations, ""); break;
    case VALUE_SPEED: offer_all(completion, speeds, ""); break;
    case VALUE_SHARE: offer_all(completion, shares, ""); break;
    case VALUE_KINDS: offer_kinds(completion); break;
    case VALUE_FORMAT: offer_formats(completion); break;
    case VALUE_FILTER: offer_filters(completion); break;
    case VALUE_FIELDS: offer_fields(completion); break;
    case VALUE_FILE: strbuf_puts(&completion->out, ":files\n"); break;
    case VALUE_NODE:
    case VALUE_PEER:
    case VALUE_TRACE:
    case VALUE_APP:
    case VALUE_PID:
    case VALUE_METHOD: offer_live(completion, type); break;
    default: break;
    }
}

/* ---- the words before ---- */

static void note_value(struct completion *completion, const char *value) {
    (void)options_note(&completion->options, completion->pending, value); /* too many: the command will say so */
    completion->pending = OPTION_COUNT_;
}

static void note_option(struct completion *completion, const char *word) {
    const char *value;
    enum option option = option_of_word(word, &value);
    if (option == OPTION_COUNT_) return;
    completion->options.given |= UINT64_C(1) << option;
    completion->pending = option;
    if (value || option_table[option].type == VALUE_NONE || option_table[option].type == VALUE_SECONDS)
        note_value(completion, value);
}

static void note_word(struct completion *completion, const char *word) {
    if (completion->pending != OPTION_COUNT_) {
        note_value(completion, word);
    } else if (!completion->only_args && !strcmp(word, "--")) {
        completion->only_args = true;
    } else if (!completion->only_args && is_option(word)) {
        note_option(completion, word);
    } else if (!completion->command_given) {
        completion->command_given = true;
        completion->help = !strcmp(word, "help");
        completion->command = find_command(word);
    } else {
        if (!completion->arg_count++) completion->arg = word;
    }
}

/* bash splits --option=value into three words. */
static bool joins_option(char **words, int i) {
    const char *value;
    return i > 0 && !strcmp(words[i], "=") && !strncmp(words[i - 1], "--", 2) &&
           option_of_word(words[i - 1], &value) != OPTION_COUNT_;
}

static void note_words(struct completion *completion, int count, char **words) {
    for (int i = 0; i < count; i++) {
        const char *value;
        if (joins_option(words, i))
            completion->pending = option_of_word(words[i - 1], &value);
        else
            note_word(completion, words[i]);
    }
}

/* ---- the word itself ---- */

/* First what kind of thing, then which. */
static void offer_subject(struct completion *completion) {
    static const char *const subjects[] = {"trace", "node", "peer", NULL};
    static const enum value_type types[] = {VALUE_TRACE, VALUE_NODE, VALUE_PEER};
    if (!completion->arg_count) offer_all(completion, subjects, "");
    for (unsigned i = 0; completion->arg_count && subjects[i]; i++)
        if (!strcmp(completion->arg, subjects[i])) offer_values(completion, types[i]);
}

static void complete_argument(struct completion *completion) {
    static const char *const actions[] = {"init", "status", "migrate", NULL};
    const struct command *command = completion->command;
    bool takes = command && completion->arg_count < command->args_max;
    bool method_chosen = takes && command->completes == VALUE_METHOD && completion->arg_count;
    if (takes && command->completes == VALUE_SUBJECT)
        offer_subject(completion);
    else if (takes && command->completes == VALUE_ACTION && !completion->arg_count)
        offer_all(completion, actions, "");
    else if (takes && !method_chosen)
        offer_values(completion, command->completes);
    if (command && !*completion->word && (!takes || command->completes == VALUE_NONE)) offer_options(completion);
}

static void offer_option_values(struct completion *completion, enum option option) {
    const struct list *rows = completion->command ? completion->command->list : NULL;
    if (option == OPTION_FIELDS && rows && !rows->has_data)
        offer_row_fields(completion, rows);
    else
        offer_values(completion, command_option(completion->command, option)->type);
}

static void complete_word(struct completion *completion) {
    const char *equals = strchr(completion->word, '='), *value;
    bool option = !completion->only_args && completion->word[0] == '-';
    if (completion->pending != OPTION_COUNT_) {
        offer_option_values(completion, completion->pending);
    } else if (option && equals) {
        enum option given = option_of_word(completion->word, &value);
        completion->part = equals + 1;
        if (given != OPTION_COUNT_) offer_option_values(completion, given);
    } else if (!completion->command_given) {
        if (option)
            offer_options(completion);
        else
            offer_commands(completion);
    } else if (completion->help) {
        if (!completion->arg_count) offer_commands(completion);
        for (size_t i = 0; !completion->arg_count && i < topic_count; i++)
            offer_candidate(completion, topics[i].name, topics[i].title);
    } else {
        if (option) offer_options(completion);
        complete_argument(completion);
    }
}

int complete_main(int word_count, char **words, source_opener *opener) {
    struct completion completion = {.opener = opener, .pending = OPTION_COUNT_};
    if (word_count < 1) return EXIT_OK;
    completion.word = completion.part = words[word_count - 1];
    note_words(&completion, word_count - 1, words);
    complete_word(&completion);
    if (!completion.out.failed) fputs(strbuf_text(&completion.out), stdout);
    fflush(stdout);
    strbuf_fini(&completion.out);
    return EXIT_OK;
}
