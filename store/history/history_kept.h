/* SPDX-License-Identifier: MIT
 *
 * Which events of a segment are copies of older ones: of a node's share (history_share.c) or of a kept trace (history_keep.c).
 * Only the files of store/history include this. */
#ifndef STORE_HISTORY_KEPT_H
#define STORE_HISTORY_KEPT_H

#include "history_internal.h"

/* The most events of all shares together; kept traces may have as many again. */
static inline uint64_t history__eighth(uint32_t segments_max) {
    return (uint64_t)(segments_max - 1) * (HISTORY_SEGMENT_EVENTS / 8);
}

static inline bool history__is_kept(const struct segment *segment, uint32_t index) {
    return (history__load(&segment->kept[index / 64]) >> index % 64 & 1) != 0;
}

static inline void history__set_kept(struct segment *segment, uint32_t index) {
    history__store(&segment->kept[index / 64], history__load(&segment->kept[index / 64]) | UINT64_C(1) << index % 64);
    history__store32(&segment->kept_count, history__load32(&segment->kept_count) + 1);
}

#endif
