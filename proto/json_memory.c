/* SPDX-License-Identifier: MIT
 *
 * Parsing JSON while memory is short: see proto/json_memory.h.
 *
 * How the buffer is known: it is the first that json_loadb allocates, and it grows by allocating twice its size, copying, and
 * freeing the old one, with no allocation in between. */
#include <proto/json_memory.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parse {
    bool runs, was_short;
    char *reserve;
    size_t reserve_bytes, reserve_used;
    void *buffer, *newest; /* the token's buffer, and what was allocated last, */
    size_t bytes, newest_bytes;
};

static _Thread_local struct parse parse;
static void (*on_short)(void);

/* Only what may be the buffer, grown.  Anything else is refused, which ends the parse. */
static void *take_of_reserve(size_t bytes) {
    parse.was_short = true;
    if (bytes != 2 * parse.bytes || bytes > parse.reserve_bytes - parse.reserve_used) return NULL;
    void *memory = parse.reserve + parse.reserve_used;
    parse.reserve_used += bytes;
    return memory;
}

static void *take(size_t bytes) {
    void *memory = malloc(bytes);
    if (!memory && on_short) on_short();
    if (!parse.runs) return memory;
    if (!memory) memory = take_of_reserve(bytes);
    if (!parse.buffer) {
        parse.buffer = memory;
        parse.bytes = bytes;
    }
    parse.newest = memory;
    parse.newest_bytes = bytes;
    return memory;
}

static void give(void *memory) {
    if (parse.runs && memory && memory == parse.buffer) {
        parse.buffer = parse.newest;
        parse.bytes = parse.newest_bytes;
    }
    if (parse.runs && (uintptr_t)memory - (uintptr_t)parse.reserve < parse.reserve_bytes) return;
    free(memory);
}

void trace_json_memory_begin(void (*note_short)(void)) {
    on_short = note_short;
    json_set_alloc_funcs(take, give);
}

static json_t *out_of_memory(json_error_t *ret_error) {
    if (!ret_error) return NULL;
    memset(ret_error, 0, sizeof *ret_error);
    snprintf(ret_error->text, sizeof ret_error->text, "out of memory");
    ret_error->text[sizeof ret_error->text - 1] = json_error_out_of_memory; /* where json_error_code looks */
    return NULL;
}

json_t *trace_json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *ret_error) {
    json_malloc_t used;
    json_get_alloc_funcs(&used, NULL);
    if (used != take) return json_loadb(text, bytes, flags, ret_error);

    /* The buffer's doublings are less than 4 * bytes together; as much again for arrays whose growth looks like it: they have at
     * most four bytes for each of their text. */
    size_t reserve_bytes = 8 * bytes + 4096;
    parse = (struct parse){.reserve = malloc(reserve_bytes), .reserve_bytes = reserve_bytes};
    if (!parse.reserve) {
        if (on_short) on_short();
        return out_of_memory(ret_error);
    }
    parse.runs = true;
    json_t *root = json_loadb(text, bytes, flags, ret_error);
    if (parse.was_short) {
        json_decref(root); /* parts of it may be in the reserve */
        root = out_of_memory(ret_error);
    }
    parse.runs = false;
    free(parse.reserve);
    return root;
}
