/* SPDX-License-Identifier: MIT
 *
 * The clocks of a scene's machines, found out from its packets as for recordings of several machines. */
#ifndef TESTS_INSPECTOR_SCENE_CLOCKS_H
#define TESTS_INSPECTOR_SCENE_CLOCKS_H

#include "scene.h"

#include <jansson.h>

/* Corrects the times of events, says so in them, and sorts them by what they are now.  events: one for each of the scene's, in
 * its order.  Does nothing for a scene of one machine. */
void scene_correct_times(const struct scene *scene, json_t *events);

#endif
