/* SPDX-License-Identifier: MIT
 *
 * Finds rings: watches the directory of shared-memory objects for names that begin with TRACE_SHM_PREFIX.
 *
 * inotify reports at once; an occasional scan of the directory finds what inotify missed (queue overflow, a kernel or sandbox
 * without it, a replaced directory).  Nothing is opened, so nothing here can block on a FIFO or follow a link.  Each name is
 * reported once when it appears and once when it vanishes, whatever noticed it.
 *
 * Anyone can create names in the directory.  Only those of files of one user are reported and take room here, so no other user
 * can use it up.
 *
 * No threads, no clock: the caller decides when, and passes the time.  Tests give it a directory of their own. */
#ifndef TRACED_DISCOVER_H
#define TRACED_DISCOVER_H

#include <stdbool.h>
#include <stdint.h>

/* Any more names of the user are ignored until others have gone. */
#define DISCOVER_NAMES_MAX 8192

/* Interval between scans: while inotify works, and without it. */
#define DISCOVER_SCAN_WATCHED_NS UINT64_C(5000000000)
#define DISCOVER_SCAN_UNWATCHED_NS UINT64_C(100000000)

struct discover;

struct discover_handler {
    /* A name appeared.  *slot is the handler's own, NULL at first; it is passed back when the name vanishes. */
    void (*appeared)(void *arg, const char *name, void **slot);
    void (*vanished)(void *arg, const char *name, void *slot);
    /* A process that could write to the object has closed it: its node may have died.  Only a hint, and only from inotify; it
     * may come a moment before the node's lock is gone. */
    void (*closed)(void *arg, const char *name, void *slot);
    void *arg;
    uint32_t uid; /* whose files are reported */
};

/* Names that were present at the last scan, or appeared since, and are not reported. */
struct discover_refused {
    uint32_t left_out;  /* too many */
    uint32_t strangers; /* files of other users under names that are not theirs: a node's name has its user's id in it */
};

/* watch: false means without inotify.  Reports nothing yet: the first discover_run does the first scan.  Returns 0 or a
 * negative errno when there is no such directory. */
int discover_create(struct discover **ret_discover, const char *dir, const struct discover_handler *handler, bool watch);

/* Does not report the remaining names as vanished. */
void discover_destroy(struct discover *discover);

/* What to poll for reading, or -1 without inotify. */
int discover_fd(const struct discover *discover);

/* The directory, for opening what is in it. */
int discover_dir_fd(const struct discover *discover);

/* Reports changes.  Reads the events of inotify (does not block), and scans the directory when due.  now_ns: CLOCK_MONOTONIC.
 */
void discover_run(struct discover *discover, bool readable, uint64_t now_ns);

/* May an object have been closed without a report, so far?  Yes if inotify is not available, or has lost events. */
bool discover_has_missed(const struct discover *discover);

/* Calls `each` for every name that is known, with the slot that appeared has set. */
void discover_each(struct discover *discover, void (*each)(void *arg, const char *name, void *slot));

/* How many names are known now, and how many are not reported. */
uint32_t discover_count(const struct discover *discover);
struct discover_refused discover_refused(const struct discover *discover);

#endif
