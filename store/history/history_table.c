/* SPDX-License-Identifier: MIT
 *
 * The hash tables of a segment, as the ingest thread sees them: see history_internal.h for their form and the ordering labels.
 *
 * Invariants
 *   - Nothing is ever removed: between a number and its home there is no empty slot.
 *   - bits and slots change only while version is odd. */
#include "history_internal.h"

#include <assert.h>

void history__table_clear(struct table *table, uint32_t expected) {
    uint32_t slots = TABLE_SLOTS_MIN;

    while (slots < TABLE_SLOTS && slots < 4 * expected) slots *= 2;
    memset((void *)table->slots, 0, slots * sizeof *table->slots);
    history__store32(&table->mask, slots - 1);
    table->used = 0;
}

void history__table_grow(struct table *table, const struct history *history, const struct segment *segment, uint32_t count,
                         uint64_t (*hash_of)(const struct history *history, const struct segment *segment, uint32_t number)) {
    uint32_t mask = 2 * history__load32(&table->mask) + 1, version = history__load32(&table->version);

    assert(mask < TABLE_SLOTS);
    /* table:R  The odd version comes before every store below, each of which is a release; the even one comes after them.
     * Pairs with table:A.  Without it a reader searches a table that is being rebuilt, and misses entries. */
    history__store32(&table->version, version + 1);
    atomic_store_explicit(&table->mask, mask, memory_order_release);
    for (uint32_t i = 0; i <= mask; i++) atomic_store_explicit(&table->slots[i], 0, memory_order_release);
    table->used = count;
    for (uint32_t number = 0; number < count; number++) {
        uint64_t hash = hash_of(history, segment, number);
        uint32_t at = history__home(hash, mask);
        while (history__load32(&table->slots[at]) != 0) at = (at + 1) & mask;
        history__slot_publish(&table->slots[at], hash, number);
    }
    atomic_store_explicit(&table->version, version + 2, memory_order_release);
}
