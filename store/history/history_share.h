/* SPDX-License-Identifier: MIT
 *
 * Shares of nodes (history_share.c).  Only the files of store/history include this. */
#ifndef STORE_HISTORY_SHARE_H
#define STORE_HISTORY_SHARE_H

#include "history_internal.h"

struct history_share;

/* Its size, and its initialisation in zeroed memory. */
size_t history__share_bytes(uint32_t segments_max);
void history__share_init(struct history_share *share, uint32_t segments_max);

/* A node's events are appended to the newest segment. */
void history__share_note(struct history *history, uint32_t node, uint32_t count);

/* Chooses which events of the oldest segment stay; to be called once for each segment, in order.  squeeze: how many times all
 * shares are halved.  Returns how many. */
uint32_t history__share_choose(struct history *history, const struct segment *segment, unsigned squeeze);

/* Copies the chosen ones after the newest event, indexed but not published. */
void history__share_copy(struct history *history, const struct segment *segment);

/* Copies ever made; the most events that each node may have. */
uint64_t history__share_kept(const struct history *history);
uint64_t history__share_level(const struct history *history);

#endif
