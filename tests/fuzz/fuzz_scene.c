/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: scenes (tests/helpers/scene.h), the small texts that tests and play_scene make events from. */
#include "fuzz.h"
#include "scene.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct scene scene;
    char path[32];
    fuzz_silence();
    int fd = fuzz_file(data, bytes, path);
    int result = scene_read(&scene, path, 1);
    for (size_t i = 0; result == 0 && i < scene.count; i++) {
        REQUIRE(scene.events[i].life < scene.life_count);
        REQUIRE(i == 0 || scene.events[i - 1].event.timestamp <= scene.events[i].event.timestamp);
    }
    scene_fini(&scene);
    close(fd);
    return 0;
}
