/* SPDX-License-Identifier: MIT
 *
 * Attaching to a node's ring: open, check, map.  Nothing in the object is trusted before the copy of its header was checked. */
#include "holes.h"
#include "reader_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libtrace/clock.h>
#include <libtrace/guard.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *trace_attach_fault_text(enum trace_attach_fault fault) {
    switch (fault) {
    case TRACE_ATTACH_OK: return "attached";
    case TRACE_ATTACH_NOT_READY: return "its header was never finished";
    case TRACE_ATTACH_BAD_OBJECT: return "not a plain shared-memory object";
    case TRACE_ATTACH_BAD_OWNER: return "it belongs to another user";
    case TRACE_ATTACH_BAD_MAGIC: return "its header has a wrong magic";
    case TRACE_ATTACH_BAD_VERSION: return "it was made by another version of the library";
    case TRACE_ATTACH_BAD_SIZE: return "its sizes do not fit";
    case TRACE_ATTACH_BAD_CLOCK: return "its clock cannot be read on this machine";
    case TRACE_ATTACH_SYSTEM: return "it could not be opened or mapped";
    case TRACE_ATTACH_BAD_MARKS: return "what it says about its events is contradictory";
    case TRACE_ATTACH_DUPLICATE: return "it is another name of an object that was attached already";
    case TRACE_ATTACH_LOST_PAGES: return "pages of it were removed while it was read";
    }
    return "unknown";
}

static int attach_failed(enum trace_attach_fault *ret_fault, enum trace_attach_fault fault, int result) {
    *ret_fault = fault;
    return result;
}

/* For writing, even if we only read: otherwise the kernel does not let us refuse its holes (holes.h). */
static int open_for_both(const struct trace_reader *reader) {
    int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd = openat(reader->shm_dir_fd, reader->name, O_RDWR | flags);
    if (fd < 0 && !reader->writable && (errno == EACCES || errno == EROFS || errno == EPERM))
        fd = openat(reader->shm_dir_fd, reader->name, O_RDONLY | flags);
    return fd;
}

/* Opens the object.  Its type and owner are checked before, so that we never open anything but a plain file, and again after. */
static int open_object(struct trace_reader *reader, uint32_t uid, enum trace_attach_fault *ret_fault) {
    struct stat status;
    if (fstatat(reader->shm_dir_fd, reader->name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return attach_failed(ret_fault, TRACE_ATTACH_SYSTEM, -errno);
    if (!S_ISREG(status.st_mode)) return attach_failed(ret_fault, TRACE_ATTACH_BAD_OBJECT, -EINVAL);
    if (status.st_uid != uid) return attach_failed(ret_fault, TRACE_ATTACH_BAD_OWNER, -EPERM);
    reader->fd = open_for_both(reader);
    if (reader->fd < 0) return attach_failed(ret_fault, errno == ELOOP ? TRACE_ATTACH_BAD_OBJECT : TRACE_ATTACH_SYSTEM, -errno);
    if (fstat(reader->fd, &status) != 0) return attach_failed(ret_fault, TRACE_ATTACH_SYSTEM, -errno);
    if (!S_ISREG(status.st_mode)) return attach_failed(ret_fault, TRACE_ATTACH_BAD_OBJECT, -EINVAL);
    if (status.st_uid != uid) return attach_failed(ret_fault, TRACE_ATTACH_BAD_OWNER, -EPERM);
    reader->device = status.st_dev;
    reader->inode = status.st_ino;
    reader->mapped_bytes = (size_t)status.st_size;
    return 0;
}

/* Reads the header with pread, which cannot fault.  A file that is still empty, or has no magic yet, is being made. */
static int read_ring_header(struct trace_reader *reader, struct trace_shm_header *ret_header,
                            enum trace_attach_fault *ret_fault) {
    uint64_t magic = 0;
    if (reader->mapped_bytes == 0) return attach_failed(ret_fault, TRACE_ATTACH_NOT_READY, -EAGAIN);
    if (reader->mapped_bytes < TRACE_SHM_LANES_OFFSET_1) return attach_failed(ret_fault, TRACE_ATTACH_BAD_SIZE, -EINVAL);
    /* magic:A  Pairs with magic:R: a system call is a full barrier between this read and the next. */
    ssize_t got = pread(reader->fd, &magic, sizeof magic, 0);
    if (got == sizeof magic && magic == 0) return attach_failed(ret_fault, TRACE_ATTACH_NOT_READY, -EAGAIN);
    if (got == sizeof magic && magic != TRACE_SHM_MAGIC) return attach_failed(ret_fault, TRACE_ATTACH_BAD_MAGIC, -EINVAL);
    if (got == sizeof magic) got = pread(reader->fd, ret_header, sizeof *ret_header, 0);
    if (got < 0) return attach_failed(ret_fault, TRACE_ATTACH_SYSTEM, -errno);
    if (got != sizeof *ret_header) return attach_failed(ret_fault, TRACE_ATTACH_BAD_SIZE, -EINVAL);
    return 0;
}

/* Where lane 0 begins; 0: an unknown version. */
static uint32_t lanes_offset(uint32_t abi) {
    return abi == TRACE_SHM_ABI ? TRACE_SHM_LANES_OFFSET : abi == TRACE_SHM_ABI_1 ? TRACE_SHM_LANES_OFFSET_1 : 0;
}

static enum trace_attach_fault check_header(const struct trace_shm_header *header, size_t file_bytes) {
    uint32_t events = header->lane_events, offset = lanes_offset(header->abi);
    if (header->magic != TRACE_SHM_MAGIC) return TRACE_ATTACH_BAD_MAGIC;
    if (offset == 0) return TRACE_ATTACH_BAD_VERSION;
    if (header->header_bytes != offset || header->event_bytes != TRACE_EVENT_BYTES) return TRACE_ATTACH_BAD_SIZE;
    if (header->lane_count < 1 || header->lane_count > TRACE_LANES_MAX) return TRACE_ATTACH_BAD_SIZE;
    if (events < 64 || events > TRACE_LANE_EVENTS_MAX || (events & (events - 1)) != 0) return TRACE_ATTACH_BAD_SIZE;
    if (header->object_bytes != offset + (uint64_t)header->lane_count * events * TRACE_EVENT_BYTES ||
        header->object_bytes > file_bytes)
        return TRACE_ATTACH_BAD_SIZE;
    if (header->policy != TRACE_OVERWRITE_OLDEST && header->policy != TRACE_DISCARD_NEWEST) return TRACE_ATTACH_BAD_SIZE;
    if (header->clock_source == TRACE_CLOCK_TSC) return trace_clock_tsc_usable() ? TRACE_ATTACH_OK : TRACE_ATTACH_BAD_CLOCK;
    return header->clock_source == TRACE_CLOCK_MONOTONIC ? TRACE_ATTACH_OK : TRACE_ATTACH_BAD_CLOCK;
}

/* The length of the valid UTF-8 sequence at `at`, or 0. */
static size_t utf8_length(const uint8_t *at, size_t left) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t count = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    uint32_t code = count < 2 ? at[0] : at[0] & (0x7fU >> count);
    if (count == 0 || count > left) return 0;
    for (size_t i = 1; i < count; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    return code >= least[count] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? count : 0;
}

static void copy_node_name(char *out, const char *name_untrusted) {
    const uint8_t *from = (const uint8_t *)name_untrusted;
    size_t i = 0;
    while (i < TRACE_NODE_NAME_BYTES && from[i] != 0) {
        size_t length = utf8_length(from + i, TRACE_NODE_NAME_BYTES - i);
        if (length == 0 || from[i] < 0x20 || from[i] == 0x7f || (length == 2 && from[i] == 0xc2 && from[i + 1] < 0xa0)) {
            out[i] = '?';
            i++;
            if (length == 2) out[i++] = '?';
        } else {
            memcpy(out + i, from + i, length);
            i += length;
        }
    }
    out[i] = 0;
}

/* Maps the object as one range: the header and app table writable if the flags say so, the lanes after them read-only. */
static int map_object(struct trace_reader *reader, const struct trace_shm_header *header) {
    int header_protection = PROT_READ | (reader->writable ? PROT_WRITE : 0);
    reader->mapped_bytes = (size_t)header->object_bytes;
    void *base = mmap(NULL, reader->mapped_bytes, PROT_READ, MAP_SHARED, reader->fd, 0);
    if (base == MAP_FAILED) return -errno;
    (void)holes_refuse(base, reader->mapped_bytes); /* without it, present.c says what a live node can do */
    reader->header = base;
    if (reader->writable && mprotect(base, header->header_bytes, header_protection) != 0) return -errno;
    reader->slots = (const struct trace_event *)((const char *)base + header->header_bytes);
    return 0;
}

static void fill_info(struct trace_reader_info *info, const struct trace_shm_header *header) {
    info->abi = header->abi;
    info->node_id = header->node_id;
    copy_node_name(info->node_name, header->node_name);
    info->pid = header->pid;
    info->lane_count = header->lane_count;
    info->lane_events = header->lane_events;
    info->policy = (enum trace_policy)header->policy;
    info->clock_source = (enum trace_clock_source)header->clock_source;
    info->open_ticks = header->open_ticks;
    info->open_monotonic_ns = header->open_monotonic_ns;
    info->open_unix_ns = header->open_unix_ns;
    info->object_bytes = header->object_bytes;
    info->open_control = header->open_control != 0 ? header->open_control : TRACE_CONTROL_ALL;
}

int trace_reader_attach(struct trace_reader **ret_reader, int shm_dir_fd, const char *name, uint32_t uid, unsigned flags,
                        enum trace_attach_fault *ret_fault) {
    struct trace_shm_header header_untrusted;
    struct trace_reader *reader;
    int result = trace_guard_install();
    *ret_fault = TRACE_ATTACH_SYSTEM;
    if (result != 0) return result;
    if (strlen(name) >= sizeof reader->name) return attach_failed(ret_fault, TRACE_ATTACH_BAD_OBJECT, -ENAMETOOLONG);
    reader = calloc(1, sizeof *reader);
    if (!reader) return -ENOMEM;
    reader->fd = -1;
    reader->shm_dir_fd = shm_dir_fd;
    reader->writable = (flags & TRACE_READER_CONTROL) != 0;
    strcpy(reader->name, name);

    result = open_object(reader, uid, ret_fault);
    if (result == 0) result = read_ring_header(reader, &header_untrusted, ret_fault);
    if (result != 0) goto fail;
    *ret_fault = check_header(&header_untrusted, reader->mapped_bytes);
    if (*ret_fault != TRACE_ATTACH_OK) {
        result = -EINVAL;
        goto fail;
    }
    result = map_object(reader, &header_untrusted);
    if (result != 0) {
        *ret_fault = TRACE_ATTACH_SYSTEM;
        goto fail;
    }
    fill_info(&reader->info, &header_untrusted);
    *ret_reader = reader;
    return 0;

fail:
    trace_reader_detach(reader);
    return result;
}

void trace_reader_detach(struct trace_reader *reader) {
    if (!reader) return;
    if (reader->header) munmap(reader->header, reader->mapped_bytes);
    if (reader->fd >= 0) close(reader->fd);
    free(reader);
}

int trace_reader_unlink(struct trace_reader *reader) {
    struct stat status;
    if (fstatat(reader->shm_dir_fd, reader->name, &status, AT_SYMLINK_NOFOLLOW) != 0) return -errno;
    if (status.st_dev != reader->device || status.st_ino != reader->inode) return -ESTALE;
    return unlinkat(reader->shm_dir_fd, reader->name, 0) == 0 ? 0 : -errno;
}

struct trace_object_id trace_reader_object(const struct trace_reader *reader) {
    return (struct trace_object_id){reader->device, reader->inode};
}

unsigned trace_reader_name_count(const struct trace_reader *reader) {
    struct stat status;
    return fstat(reader->fd, &status) == 0 ? (unsigned)status.st_nlink : 0;
}

int trace_object_remove_dead(int shm_dir_fd, const char *name, uint32_t uid) {
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct stat opened, named;
    int result = 0, fd = openat(shm_dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -errno;
    if (fstat(fd, &opened) != 0 || fcntl(fd, F_OFD_GETLK, &lock) != 0)
        result = -errno;
    else if (!S_ISREG(opened.st_mode) || opened.st_uid != uid)
        result = -EPERM;
    else if (lock.l_type != F_UNLCK)
        result = -EBUSY;
    else if (fstatat(shm_dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) != 0)
        result = -errno;
    else if (named.st_dev != opened.st_dev || named.st_ino != opened.st_ino)
        result = -ESTALE;
    else if (unlinkat(shm_dir_fd, name, 0) != 0)
        result = -errno;
    close(fd);
    return result;
}
