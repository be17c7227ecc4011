/* SPDX-License-Identifier: MIT */
#include "end_signal.h"

#include <signal.h>
#include <stddef.h>

atomic_int end_signal;
static void (*also_call)(void); /* set before the handler is installed */

static void note_signal(int number) {
    end_signal = number;
    if (also_call) also_call();
}

void end_signal_catch(void (*also)(void)) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESETHAND}, before;
    end_signal = 0;
    also_call = also;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN) (void)sigaction(numbers[i], &action, NULL);
}
