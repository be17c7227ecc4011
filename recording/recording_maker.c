/* SPDX-License-Identifier: MIT
 *
 * Turns segments of a history into frames. */
#include "recording_frame.h"
#include "recording_nodes.h"
#include <recording/writer.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#define COMPRESSION_LEVEL 1
/* Nodes: some thousands with an application each, and all aliases, twice while it grows; -ENOMEM beyond that. */
#define ROLL_BYTES (((size_t)8 << 20) + 2 * RECORDING_ALIASES_BYTES_MAX + ALIASES_MAX * sizeof(struct alias))
#define COMPRESSOR_BYTES ((size_t)4 << 20) /* at level 1 */
#define BLOCK_BYTES_PLAIN HISTORY_BLOCK_BYTES_MIN
#define BLOCK_BYTES_COMPRESSED HISTORY_BLOCK_BYTES_MAX

struct recording_maker {
    struct recording_header header;
    struct recording_roll roll;
    struct recording_block table[RECORDING_BLOCKS_MAX];
    bool compress;
    uint64_t instance;
    char *image;
    size_t image_bytes; /* size of what was taken */
    char *packed;       /* one compressed block; NULL: no compression */
    ZSTD_CCtx *compressor;
};

/* ---- life --------------------------------------------------------------------------------------------------------------- */

size_t recording_maker_bytes(void) {
    return history_image_bytes_max() + sizeof(struct recording_maker) + ZSTD_compressBound(BLOCK_BYTES_COMPRESSED) +
           COMPRESSOR_BYTES + ROLL_BYTES + HISTORY_SEGMENT_EVENTS * (size_t)64;
}

int recording_maker_create(struct recording_maker **ret_maker, bool compress) {
    struct recording_maker *maker = calloc(1, sizeof *maker);
    int error = -ENOMEM;

    if (!maker) return -ENOMEM;
    maker->compress = compress;
    maker->image =
        mmap(NULL, history_image_bytes_max(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (maker->image == MAP_FAILED) maker->image = NULL;
    maker->packed = malloc(ZSTD_compressBound(BLOCK_BYTES_COMPRESSED));
    maker->compressor = ZSTD_createCCtx();
    if (!maker->image || !maker->packed || !maker->compressor) goto fail;
    (void)ZSTD_CCtx_setParameter(maker->compressor, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
    error = -EIO;
    if (getrandom(&maker->instance, sizeof maker->instance, 0) != (ssize_t)sizeof maker->instance) goto fail;
    *ret_maker = maker;
    return 0;

fail:
    recording_maker_destroy(maker);
    return error;
}

void recording_maker_destroy(struct recording_maker *maker) {
    if (!maker) return;
    if (maker->image) munmap(maker->image, history_image_bytes_max());
    ZSTD_freeCCtx(maker->compressor);
    free(maker->packed);
    recording__roll_fini(&maker->roll);
    free(maker);
}

uint64_t recording_maker_instance(const struct recording_maker *maker) { return maker->instance; }
uint32_t recording_maker_events(const struct recording_maker *maker) { return maker->header.events; }
uint64_t recording_maker_last_ns(const struct recording_maker *maker) { return maker->header.max_ns; }

void recording_maker_set_number(struct recording_maker *maker, uint64_t number) { maker->header.number = number; }

/* ---- take --------------------------------------------------------------------------------------------------------------- */

static uint64_t unix_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void fill_steps(struct recording_header *header, struct nodes *nodes) {
    struct clock_step steps[CLOCK_STEPS_MAX];
    header->step_count = (uint32_t)clock_steps_copy(nodes_clock_steps(nodes), steps);
    for (uint32_t i = 0; i < header->step_count; i++) {
        struct recording_step *out = &header->steps[i];
        *out = (struct recording_step){.before_ns = steps[i].before_ns,
                                       .after_ns = steps[i].after_ns,
                                       .number = steps[i].number,
                                       .flags = steps[i].slept ? RECORDING_STEP_SLEPT : 0};
        memcpy(out->machine, steps[i].machine.id, sizeof out->machine);
    }
}

static void fill_header(struct recording_maker *maker, const struct history_segment_info *info) {
    struct recording_header *header = &maker->header;

    memset(header, 0, sizeof *header);
    memcpy(header->magic, RECORDING_MAGIC, sizeof header->magic);
    header->version = maker->roll.alias_count > 0 ? RECORDING_VERSION : RECORDING_VERSION_PLAIN;
    header->byte_order = RECORDING_BYTE_ORDER;
    header->event_bytes = TRACE_EVENT_BYTES;
    header->tables = recording__tables();
    header->instance = maker->instance;
    header->number = info->number;
    header->written_unix_ns = unix_now_ns();
    header->node_count = maker->roll.count;
    header->records_bytes = maker->roll.records_bytes;
    header->roster_checksum = recording__checksum(maker->roll.roster, maker->roll.count * sizeof *maker->roll.roster);
    recording__header_describe(header, info);
}

int recording_maker_take_part(struct recording_maker *maker, const struct store *store, uint64_t number, uint32_t first,
                              uint32_t end) {
    struct history_segment_info info;
    struct history_layout layout;
    /* Nodes first: no node is removed while the segment has events of it. */
    int error = recording__roll_take(&maker->roll, store);

    if (error == 0 && first == 0 && end == HISTORY_SEGMENT_EVENTS)
        error = history_image_take(store->history, number, maker->image, &info);
    else if (error == 0)
        error = history_image_take_part(store->history, number, first, end, maker->image, &info);
    if (error < 0) return error;
    (void)history_image_layout(&info.shape, &layout);
    maker->image_bytes = layout.at[HISTORY_SECTIONS];
    fill_header(maker, &info);
    fill_steps(&maker->header, store->nodes);
    return 0;
}

int recording_maker_take(struct recording_maker *maker, const struct store *store, uint64_t number) {
    return recording_maker_take_part(maker, store, number, 0, HISTORY_SEGMENT_EVENTS);
}

/* ---- write -------------------------------------------------------------------------------------------------------------- */

static int write_at(int fd, const void *bytes, size_t count, uint64_t offset) {
    while (count > 0) {
        ssize_t done = pwrite(fd, bytes, count, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return -errno;
        if (done == 0) return -ENOSPC;
        bytes = (const char *)bytes + done;
        count -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

/* The block as stored. */
static int pack(struct recording_maker *maker, uint32_t block, const char **ret_bytes) {
    struct recording_block *entry = &maker->table[block];
    size_t from = (size_t)block * maker->header.block_bytes, count = maker->image_bytes - from;

    if (count > maker->header.block_bytes) count = maker->header.block_bytes;
    *ret_bytes = maker->image + from;
    if (maker->compress) {
        size_t bound = ZSTD_compressBound(BLOCK_BYTES_COMPRESSED);
        count = ZSTD_compress2(maker->compressor, maker->packed, bound, maker->image + from, count);
        if (ZSTD_isError(count)) return -ENOMEM;
        *ret_bytes = maker->packed;
    }
    *entry = (struct recording_block){.checksum = recording__checksum(*ret_bytes, count), .stored_bytes = (uint32_t)count};
    return 0;
}

static int put_blocks(struct recording_maker *maker, int fd, uint64_t offset, uint64_t *ret_bytes) {
    uint64_t begin = offset;
    int error = 0;

    for (uint32_t block = 0; block < maker->header.block_count && error == 0; block++) {
        const char *bytes;
        error = pack(maker, block, &bytes);
        if (error < 0) break;
        if (maker->compress) error = write_at(fd, bytes, maker->table[block].stored_bytes, offset);
        offset += maker->table[block].stored_bytes;
    }
    if (error == 0 && !maker->compress) error = write_at(fd, maker->image, maker->image_bytes, begin); /* in one piece */
    *ret_bytes = offset - begin;
    return error;
}

/* Writes the part before the blocks, once their checksums are known. */
static int put_front(struct recording_maker *maker, int fd, uint64_t offset, const struct recording_parts *parts) {
    const struct recording_header *header = &maker->header;
    int error = write_at(fd, maker->roll.roster, header->node_count * sizeof(struct recording_roster), offset + parts->roster);

    if (error == 0) error = write_at(fd, maker->roll.records, header->records_bytes, offset + parts->records);
    if (error == 0) error = write_at(fd, maker->table, header->block_count * sizeof maker->table[0], offset + parts->table);
    return error != 0 ? error : write_at(fd, header, sizeof *header, offset);
}

static int put_frame(struct recording_maker *maker, int fd, uint64_t offset, uint64_t *ret_bytes) {
    struct recording_header *header = &maker->header;
    struct recording_parts parts;
    uint64_t stored;
    int error;

    header->flags = maker->compress ? RECORDING_COMPRESSED : 0;
    header->block_bytes = maker->compress ? BLOCK_BYTES_COMPRESSED : BLOCK_BYTES_PLAIN;
    header->block_count = (uint32_t)((maker->image_bytes + header->block_bytes - 1) / header->block_bytes);
    recording__parts(header, &parts);
    error = put_blocks(maker, fd, offset + parts.blocks, &stored);
    header->frame_bytes = (parts.blocks + stored + RECORDING_ALIGN - 1) / RECORDING_ALIGN * RECORDING_ALIGN;
    header->blocks_checksum = recording__checksum(maker->table, header->block_count * sizeof maker->table[0]);
    header->checksum = recording__checksum(header, offsetof(struct recording_header, checksum));
    if (error == 0) error = put_front(maker, fd, offset, &parts);
    if (error == 0 && ftruncate(fd, (off_t)(offset + header->frame_bytes)) != 0) error = -errno;
    *ret_bytes = header->frame_bytes;
    return error;
}

int recording_maker_write(struct recording_maker *maker, int fd, uint64_t offset, uint64_t *ret_bytes) {
    int error = put_frame(maker, fd, offset, ret_bytes);
    if (error < 0) (void)ftruncate(fd, (off_t)offset); /* otherwise the rest would be reported as damaged */
    return error;
}

/* ---- compress a frame written earlier ------------------------------------------------------------------------------------- */

/* Reads a whole frame into the maker, as if taken from a history. */
static int read_frame(struct recording_maker *maker, int fd) {
    struct recording_header *header = &maker->header;
    struct recording_parts parts;
    char reason[160];
    uint64_t at;
    int error = recording__header_read(fd, 0, header, reason, sizeof reason);

    if (error < 0) return error;
    if ((header->flags & RECORDING_COMPRESSED) != 0) return -EALREADY;
    recording__parts(header, &parts);
    error = recording__roll_room(&maker->roll, parts.records - parts.roster + header->records_bytes);
    if (error == 0) error = recording__roster_read(fd, 0, header, maker->roll.roster);
    maker->roll.records = (char *)(maker->roll.roster + header->node_count);
    if (error == 0) error = recording__read(fd, maker->roll.records, header->records_bytes, parts.records);
    if (error == 0) error = recording__table_read(fd, 0, header, maker->table);
    maker->image_bytes = 0;
    at = parts.blocks;
    for (uint32_t block = 0; block < header->block_count && error == 0; block++) {
        size_t bytes = recording__block_bytes(header, block);
        error = recording__block_read(fd, at, header, &maker->table[block], maker->image + maker->image_bytes, bytes, NULL, NULL);
        at += bytes;
        maker->image_bytes += bytes;
    }
    return error;
}

int recording_maker_recompress(struct recording_maker *maker, int from_fd, int to_fd, uint64_t *ret_bytes) {
    bool compress = maker->compress;
    int error = read_frame(maker, from_fd);

    if (error < 0) return error == -ENODATA || error == -ENOMSG ? -EBADMSG : error;
    maker->compress = true;
    error = recording_maker_write(maker, to_fd, 0, ret_bytes);
    maker->compress = compress;
    return error;
}
