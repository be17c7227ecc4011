/* SPDX-License-Identifier: MIT
 *
 * A directory's entries and its hash table.  The table is private to the ingest thread: open addressing with linear probing.
 * The home slot is the hash's top bits, so a table grows to twice the size in one forward pass over both.
 *
 * Invariants
 *   - Between a slot and its home there is no empty slot: removing closes the gap.
 *   - An entry number is reused only after it was swept and a grace period has passed (history__directory_free).
 *
 * Only the ingest thread calls these. */
#include "history_internal.h"

#include <assert.h>

/* Above 5/8 full a table grows. */
static bool crowded(uint32_t entries, unsigned bits) { return (uint64_t)entries * 8 > ((uint64_t)1 << bits) * 5; }

unsigned history__directory_bits(uint32_t capacity) {
    unsigned bits = DIRECTORY_BITS_MIN;
    while (crowded(capacity, bits)) bits++;
    return bits;
}

/* Tables of even and odd bits take turns: each area is as large as its largest. */
size_t history__directory_slot_bytes(unsigned bits_max, unsigned parity) {
    unsigned bits = bits_max % 2 == parity ? bits_max : bits_max - 1;
    return ((size_t)1 << bits) * sizeof(struct directory_slot);
}

void history__directory_init(struct directory *directory, uint32_t capacity, void *entries, size_t entry_bytes, void *slots_even,
                             void *slots_odd, uint64_t (*hash_of)(const struct history *history, const void *id)) {
    memset((void *)directory, 0, sizeof *directory);
    directory->bits = DIRECTORY_BITS_MIN;
    directory->bits_max = history__directory_bits(capacity);
    directory->areas[0] = slots_even;
    directory->areas[1] = slots_odd;
    directory->slots = directory->areas[directory->bits % 2];
    directory->entries = entries;
    directory->entry_bytes = entry_bytes;
    directory->capacity = capacity;
    directory->sweep_at = 1;
    directory->hash_of = hash_of;
    history__store32(&directory->high, 1);
}

static void place(struct directory *directory, struct directory_slot slot) {
    uint32_t mask = ((uint32_t)1 << directory->bits) - 1, at = history__directory_home(directory, slot.tag);
    while (directory->slots[at].entry != 0) at = (at + 1) & mask;
    directory->slots[at] = slot;
}

static void grow(struct directory *directory) {
    struct directory_slot *old = directory->slots;
    uint32_t old_slots = (uint32_t)1 << directory->bits;

    assert(directory->bits < directory->bits_max);
    directory->bits++;
    directory->slots = directory->areas[directory->bits % 2];
    memset(directory->slots, 0, ((size_t)1 << directory->bits) * sizeof *directory->slots);
    for (uint32_t i = 0; i < old_slots; i++)
        if (old[i].entry != 0) place(directory, old[i]);
}

uint32_t history__directory_add(struct directory *directory, uint64_t hash) {
    uint32_t entry = directory->free_list;

    assert(directory->used < directory->capacity);
    if (entry != 0) {
        directory->free_list = (uint32_t)history__load(&history__entry(directory, entry)->first_in);
    } else {
        entry = history__load32(&directory->high);
        history__store32(&directory->high, entry + 1);
    }
    directory->used++;
    directory->hashed++;
    if (crowded(directory->hashed, directory->bits)) grow(directory);
    place(directory, (struct directory_slot){(uint32_t)(hash >> 32), entry});
    return entry;
}

static void remove_slot(struct directory *directory, uint64_t hash, uint32_t entry) {
    struct directory_slot *slots = directory->slots;
    uint32_t mask = ((uint32_t)1 << directory->bits) - 1;
    uint32_t hole = history__directory_home(directory, (uint32_t)(hash >> 32)), at;

    while (slots[hole].entry != entry) {
        assert(slots[hole].entry != 0);
        hole = (hole + 1) & mask;
    }
    /* an entry after the hole whose home is at or before it moves into it */
    for (at = (hole + 1) & mask; slots[at].entry != 0; at = (at + 1) & mask) {
        uint32_t home = history__directory_home(directory, slots[at].tag);
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        slots[hole] = slots[at];
        hole = at;
    }
    slots[hole] = (struct directory_slot){0, 0};
    directory->hashed--;
}

void history__directory_sweep(struct history *history, struct directory *directory, uint32_t count, uint32_t enough) {
    uint64_t begin = history_begin_position(history);
    uint32_t high = history__load32(&directory->high), found = 0;

    if (count > high - 1) count = high - 1;
    for (; count > 0 && found < enough; count--, directory->sweep_at++) {
        struct entry *entry;
        uint64_t last_in;
        if (directory->sweep_at >= high) directory->sweep_at = 1;
        entry = history__entry(directory, directory->sweep_at);
        last_in = history__load(&entry->last_in);
        if (last_in == 0 || last_in > begin / HISTORY_SEGMENT_EVENTS) continue;
        remove_slot(directory, directory->hash_of(history, entry + 1), directory->sweep_at);
        history__store(&entry->last_in, 0);
        history__store(&entry->first_in, directory->swept);
        directory->swept = directory->sweep_at;
        found++;
    }
}

void history__directory_free(struct directory *directory, uint32_t list) {
    while (list != 0) {
        struct entry *entry = history__entry(directory, list);
        uint32_t next = (uint32_t)history__load(&entry->first_in);
        history__store(&entry->first_in, directory->free_list);
        directory->free_list = list;
        directory->used--;
        list = next;
    }
}
