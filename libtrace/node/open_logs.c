/* SPDX-License-Identifier: MIT
 *
 * See open_logs.h. */
#include "open_logs.h"

#include <pthread.h>

static pthread_mutex_t change_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log *list;

/* Places in the threads' tables of writers, one bit each, under the list lock. */
static uint64_t writer_indices_taken[WRITER_INDICES / 64];

void log__change_begin(void) { pthread_mutex_lock(&change_lock); }
void log__change_end(void) { pthread_mutex_unlock(&change_lock); }

void log__fork_begin(void) {
    log__change_begin();
    pthread_mutex_lock(&list_lock);
}

void log__fork_end(void) {
    pthread_mutex_unlock(&list_lock);
    log__change_end();
}

/* ---- places of writers ----------------------------------------------------------------------------------------------------- */

void log__writer_index_take(struct log *log) {
    uint32_t word = 0, index = WRITER_INDICES;
    pthread_mutex_lock(&list_lock);
    while (word < WRITER_INDICES / 64 && writer_indices_taken[word] == UINT64_MAX) word++;
    if (word < WRITER_INDICES / 64) {
        index = word * 64 + (uint32_t)__builtin_ctzll(~writer_indices_taken[word]);
        writer_indices_taken[word] |= UINT64_C(1) << index % 64;
    }
    pthread_mutex_unlock(&list_lock);
    log->writer_index = index;
    log->base.writer = index < TRACE__WRITERS ? index : TRACE__WRITERS;
}

static void clear_writer_index(const struct log *log) {
    if (log->writer_index < WRITER_INDICES)
        writer_indices_taken[log->writer_index / 64] &= ~(UINT64_C(1) << log->writer_index % 64);
}

void log__writer_index_return(const struct log *log) {
    pthread_mutex_lock(&list_lock);
    clear_writer_index(log);
    pthread_mutex_unlock(&list_lock);
}

/* ---- the list -------------------------------------------------------------------------------------------------------------- */

void log__list_add(struct log *log) {
    pthread_mutex_lock(&list_lock);
    log->next = list;
    list = log;
    pthread_mutex_unlock(&list_lock);
}

void log__list_remove(struct log *log) {
    pthread_mutex_lock(&list_lock);
    for (struct log **at = &list; *at; at = &(*at)->next) {
        if (*at == log) {
            *at = log->next;
            break;
        }
    }
    clear_writer_index(log);
    pthread_mutex_unlock(&list_lock);
}

void log__each(void (*each)(struct log *log)) {
    pthread_mutex_lock(&list_lock);
    for (struct log *log = list; log; log = log->next) each(log);
    pthread_mutex_unlock(&list_lock);
}
