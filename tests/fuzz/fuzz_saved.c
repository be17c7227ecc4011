/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: saved JSON for --read (inspector/source/recording): any text becomes a sound recording, or a failure with
 * a reason. */
#include "fuzz.h"
#include "saved_json.h"

#include <recording/recording.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char path[32], made_path[32], reason[RECORDING_REASON_BYTES] = "";
    const char *paths[] = {path}, *made_paths[] = {made_path};
    struct failure failure = {0};
    struct recording *recording;
    int made;
    fuzz_silence();
    int fd = fuzz_file(data, bytes, path);
    (void)saved_json_is(path);
    if (saved_json_load(paths, 1, &made, &failure) == 0) {
        snprintf(made_path, sizeof made_path, "/proc/self/fd/%d", made);
        int opened = recording_open(&recording, made_paths, 1, reason);
        if (opened == 0) {
            recording_verify(recording);
            REQUIRE(recording_store(recording)->history != NULL);
            recording_close(recording);
        } else { /* a recording with only nodes could not be opened */
            REQUIRE(reason[0] != 0);
        }
        close(made);
    } else {
        REQUIRE(failure.code != EXIT_OK && failure.text[0]);
    }
    close(fd);
    return 0;
}
