/* SPDX-License-Identifier: MIT
 *
 * See place.h.  The file:
 *
 *     p2ptrace-place 1
 *     fleet ID shard N shipper HEX
 *     sending INSTANCE FIRST COUNT
 *     totals SEGMENTS EVENTS LOST_SEGMENTS LOST_EVENTS
 *     instance INSTANCE NEXT NEWEST_NS          one for each
 *     end CHECKSUM                              of all before it */
#include "place.h"

#include "strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define VERSION 1
#define FILE_BYTES_MAX ((size_t)256 << 10)

/* ---- entries -------------------------------------------------------------------------------------------------------------- */

struct place_instance *place_find(struct place *place, uint64_t instance) {
    for (size_t i = 0; i < place->instance_count; i++)
        if (place->instances[i].instance == instance) return &place->instances[i];
    return NULL;
}

struct place_instance *place_need(struct place *place, uint64_t instance) {
    struct place_instance *entry = place_find(place, instance);
    if (entry) return entry;
    if (place->instance_count == PLACE_INSTANCES_MAX) return NULL;
    entry = &place->instances[place->instance_count++];
    *entry = (struct place_instance){.instance = instance};
    return entry;
}

void place_forget(struct place *place, uint64_t instance) {
    struct place_instance *entry = place_find(place, instance);
    if (!entry) return;
    const struct place_instance *last = &place->instances[--place->instance_count];
    memmove(entry, entry + 1, (size_t)((const char *)last - (const char *)entry));
}

/* ---- the file ------------------------------------------------------------------------------------------------------------- */

static void encode(struct strbuf *out, const struct place *place) {
    strbuf_printf(out, "p2ptrace-place %d\n", VERSION);
    strbuf_printf(out, "fleet %s shard %u shipper %s\n", *place->fleet ? place->fleet : "-", place->shard, place->shipper);
    strbuf_printf(out, "sending %016" PRIx64 " %" PRIu64 " %" PRIu64 "\n", place->sending.instance, place->sending.first,
                  place->sending.count);
    strbuf_printf(out, "totals %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", place->segments, place->events,
                  place->lost_segments, place->lost_events);
    for (size_t i = 0; i < place->instance_count; i++)
        strbuf_printf(out, "instance %016" PRIx64 " %" PRIu64 " %" PRIu64 "\n", place->instances[i].instance,
                      place->instances[i].next, place->instances[i].newest_ns);
    strbuf_printf(out, "end %016" PRIx64 "\n", (uint64_t)XXH3_64bits(strbuf_text(out), out->bytes));
}

static bool decode_instances(struct place *place, const char *line) {
    struct place_instance entry;
    while (sscanf(line, "instance %16" SCNx64 " %" SCNu64 " %" SCNu64 "\n", &entry.instance, &entry.next, &entry.newest_ns) ==
           3) {
        if (place->instance_count == PLACE_INSTANCES_MAX) return false;
        place->instances[place->instance_count++] = entry;
        line = strchr(line, '\n');
        if (!line) return false;
        line++;
    }
    return !strncmp(line, "end ", 4);
}

static bool decode(struct place *place, const char *text, size_t bytes) {
    const char *end = bytes > 21 ? text + bytes - 21 : text;
    uint64_t checksum;
    int at = 0, version;
    if (end == text || sscanf(end, "end %16" SCNx64 "\n", &checksum) != 1) return false;
    if (checksum != XXH3_64bits(text, (size_t)(end - text))) return false;
    if (sscanf(text, "p2ptrace-place %d\n%n", &version, &at) != 1 || version != VERSION || !at) return false;
    text += at, at = 0;
    if (sscanf(text, "fleet %32s shard %u shipper %16s\n%n", place->fleet, &place->shard, place->shipper, &at) != 3 || !at)
        return false;
    if (!strcmp(place->fleet, "-")) *place->fleet = 0;
    text += at, at = 0;
    if (sscanf(text, "sending %16" SCNx64 " %" SCNu64 " %" SCNu64 "\n%n", &place->sending.instance, &place->sending.first,
               &place->sending.count, &at) != 3 ||
        !at)
        return false;
    text += at, at = 0;
    if (sscanf(text, "totals %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 "\n%n", &place->segments, &place->events,
               &place->lost_segments, &place->lost_events, &at) != 4 ||
        !at)
        return false;
    return decode_instances(place, text + at);
}

/* Spaces could differ: only what we would write ourselves is valid. */
static bool is_encoded(const struct place *place, const char *text, size_t bytes) {
    struct strbuf again = {0};
    encode(&again, place);
    bool same = !again.failed && again.bytes == bytes && !memcmp(again.text, text, bytes);
    strbuf_fini(&again);
    return same;
}

static int make_new(struct place *place, struct failure *failure) {
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return failure_set(failure, EXIT_FAILED, "cannot get random numbers");
    *place = (struct place){0};
    snprintf(place->shipper, sizeof place->shipper, "%016" PRIx64, random);
    return 0;
}

int place_read(struct place *ret_place, const char *path, struct failure *failure) {
    FILE *file = fopen(path, "re");
    int error = file ? 0 : errno;
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t bytes = 0;
    *ret_place = (struct place){0};
    if (file && text) {
        bytes = fread(text, 1, FILE_BYTES_MAX, file);
        if (ferror(file)) error = errno;
        text[bytes] = 0;
    }
    if (file) fclose(file);
    bool good = text && !error && decode(ret_place, text, bytes) && is_encoded(ret_place, text, bytes);
    free(text);
    if (good) return 0;
    if (error == ENOENT) return make_new(ret_place, failure);
    if (error) return failure_set(failure, EXIT_FAILED, "the place %s cannot be read: %s", path, strerror(error));
    if (!text) return failure_out_of_memory(failure);
    return failure_set(
        failure, EXIT_FAILED,
        "the place %s is damaged: remove it, and everything that is still there is sent once more, and counts once", path);
}

static int write_whole(int fd, const char *text, size_t bytes) {
    while (bytes) {
        ssize_t done = write(fd, text, bytes);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return -errno;
        text += done;
        bytes -= (size_t)done;
    }
    return fsync(fd) ? -errno : 0; /* after a power cut the name must not lead to an empty file */
}

int place_save(const struct place *place, const char *path, struct failure *failure) {
    struct strbuf text = {0}, beside = {0};
    int error = -ENOMEM;
    encode(&text, place);
    strbuf_printf(&beside, "%s.new", path);
    if (!text.failed && !beside.failed) {
        int fd = open(strbuf_text(&beside), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        error = fd < 0 ? -errno : write_whole(fd, strbuf_text(&text), text.bytes);
        if (fd >= 0 && close(fd) && !error) error = -errno;
        if (!error && rename(strbuf_text(&beside), path)) error = -errno;
        if (error && fd >= 0) (void)unlink(strbuf_text(&beside));
    }
    strbuf_fini(&text);
    strbuf_fini(&beside);
    if (!error) return 0;
    return failure_set(failure, EXIT_FAILED, "the place %s cannot be written: %s; make room, or choose another with --place FILE",
                       path, strerror(-error));
}

int place_lock(const char *path, struct failure *failure) {
    struct strbuf name = {0};
    strbuf_printf(&name, "%s.lock", path);
    int fd = name.failed ? -1 : open(strbuf_text(&name), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), error = errno;
    strbuf_fini(&name);
    if (fd < 0)
        return failure_set(failure, EXIT_FAILED, "the place %s cannot be used: %s; choose another with --place FILE", path,
                           strerror(error));
    if (!flock(fd, LOCK_EX | LOCK_NB)) return fd;
    close(fd);
    return failure_set(failure, EXIT_FAILED, "another inspector ship uses the place %s: give this one its own with --place FILE",
                       path);
}
