/* SPDX-License-Identifier: MIT
 *
 * The live stream.  Ctrl-C needs no handler, because no output is buffered. */
#include "commands.h"
#include "show_stream.h"

int run_follow(struct session *session) {
    const char *speed = session->options->texts[OPTION_SPEED];
    unsigned can = session->inquiry.source->ops->can;
    bool past = can & SOURCE_PAST;
    if (speed && !past)
        return failure_set(&session->failure, EXIT_USAGE, "--speed needs --read: live events are shown as they happen");
    struct show_stream wish = {.source = session->inquiry.source,
                               .params_new = session_filter_new(session),
                               .wait_ms = option_number(session->options, OPTION_WAIT, WAIT_FOREVER),
                               .away = can & SOURCE_SHIPPED ? "the fleet does not answer; waiting for it to come back"
                                                            : "traced went away; waiting for it to come back",
                               .reports_restart = true};
    if (speed) (void)parse_speed(speed, &wish.speed); /* options_parse has checked it */
    return show_stream(session, &wish);
}
