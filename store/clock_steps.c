/* SPDX-License-Identifier: MIT
 *
 * See clock_steps.h. */
#include <store/clock_steps.h>

#include <string.h>

void clock_steps_init(struct clock_steps *steps) {
    *steps = (struct clock_steps){.count = 0};
    (void)pthread_mutex_init(&steps->lock, NULL); /* cannot fail without attributes */
}

static bool is_same(const struct clock_step *a, const struct clock_step *b) {
    return a->after_ns == b->after_ns && a->before_ns == b->before_ns && a->number == b->number &&
           !memcmp(a->machine.id, b->machine.id, sizeof a->machine.id);
}

static void insert(struct clock_steps *steps, const struct clock_step *step) {
    uint32_t at = steps->count;
    for (uint32_t i = 0; i < steps->count; i++)
        if (is_same(&steps->items[i], step)) return;
    while (at > 0 && steps->items[at - 1].after_ns > step->after_ns) at--;
    if (steps->count == CLOCK_STEPS_MAX) {
        if (at == 0) return; /* it is the oldest */
        memmove(&steps->items[0], &steps->items[1], --at * sizeof *step);
    } else {
        memmove(&steps->items[at + 1], &steps->items[at], (steps->count++ - at) * sizeof *step);
    }
    steps->items[at] = *step;
}

void clock_steps_add(struct clock_steps *steps, const struct clock_step *step) {
    pthread_mutex_lock(&steps->lock);
    insert(steps, step);
    pthread_mutex_unlock(&steps->lock);
}

size_t clock_steps_copy(struct clock_steps *steps, struct clock_step ret_items[CLOCK_STEPS_MAX]) {
    pthread_mutex_lock(&steps->lock);
    size_t count = steps->count;
    memcpy(ret_items, steps->items, count * sizeof *ret_items);
    pthread_mutex_unlock(&steps->lock);
    return count;
}
