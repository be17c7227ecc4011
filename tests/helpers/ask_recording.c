/* SPDX-License-Identifier: MIT
 *
 * Asks recordings the questions of the socket:
 *
 *     ask_recording PATH... < REQUESTS
 *     ask_recording --salvage FILE DIR      salvages the rings of a directory into a file, and reports each
 *
 * A request is a line "METHOD PARAMS"; its answer is a line of stdout, {"result":...} or {"error":...}.  At the end of
 * stdin, it reports problems on stderr; the exit code is 0 if there were none, else 3.  Exit code 1: the recordings
 * cannot be opened. */
#include <proto/text.h>
#include <recording/recording.h>
#include <recording/salvage.h>
#include <stdio.h>
#include <store/ask.h>
#include <string.h>
#include <unistd.h>

static void answer(struct store *store, char *line) {
    char *params_text = strchr(line, ' ');
    struct trace_rpc_error error = {0};
    struct trace_text out = {0};
    json_t *params = NULL;

    if (params_text) {
        *params_text++ = 0;
        params = json_loads(params_text, 0, NULL);
    }
    if (store_ask(store, line, params, &out, &error) < 0)
        printf("{\"error\":\"%s\"}\n", error.message);
    else
        printf("{\"result\":%.*s}\n", (int)out.bytes, out.data);
    fflush(stdout);
    trace_rpc_error_fini(&error);
    trace_text_fini(&out);
    json_decref(params);
}

static void tell(void *arg, const struct recording_salvaged *salvaged) {
    (void)arg;
    printf("{\"fault\":\"%s\",\"node\":\"%s\",\"state\":%d,\"events\":%llu,\"lost\":%llu,\"error\":%d}\n",
           trace_attach_fault_text(salvaged->fault), salvaged->node_name ? salvaged->node_name : "", salvaged->state,
           (unsigned long long)salvaged->events, (unsigned long long)salvaged->lost, salvaged->error);
}

static int salvage(const char *path, const char *dir) {
    struct recording_writer *writer;
    int error = recording_writer_open(&writer, path, NULL), count;
    if (error < 0) return 1;
    count = recording_salvage(writer, dir, geteuid(), tell, NULL);
    error = recording_writer_close(writer, NULL);
    return count < 0 || error < 0;
}

int main(int argc, char **argv) {
    static char line[65536];
    char reason[RECORDING_REASON_BYTES];
    struct recording *recording;
    size_t problems;

    if (argc < 2) return 2;
    if (argc == 4 && strcmp(argv[1], "--salvage") == 0) return salvage(argv[2], argv[3]);
    if (recording_open(&recording, (const char *const *)argv + 1, (size_t)argc - 1, reason) < 0) {
        fprintf(stderr, "%s\n", reason);
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, "verify") == 0)
            recording_verify(recording);
        else
            answer(recording_store(recording), line);
    }
    problems = recording_problem_count(recording);
    for (size_t i = 0; i < problems; i++) {
        const struct recording_problem *problem = recording_problem(recording, i);
        if (problem)
            fprintf(stderr, "%s: at %llu: %s (%llu events)\n", problem->path, (unsigned long long)problem->offset, problem->text,
                    (unsigned long long)problem->events);
    }
    recording_close(recording);
    return problems == 0 ? 0 : 3;
}
