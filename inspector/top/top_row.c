/* SPDX-License-Identifier: MIT */
#include "top_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void top_row_init(struct top_row *row, const char *key) {
    *row = (struct top_row){.key = strdup(key)};
    for (unsigned i = 0; i < TOP_VALUES; i++) row->values[i] = NAN;
    for (unsigned i = 0; i < TOP_SERIES; i++)
        for (unsigned j = 0; j < TOP_SAMPLES; j++) row->series[i][j] = NAN;
}

void top_row_fini(struct top_row *row) {
    free(row->key);
    for (unsigned i = 0; i < TOP_TEXTS; i++) free(row->texts[i]);
    for (unsigned i = 0; row->spreads && i < TOP_SAMPLES; i++) json_decref(row->spreads[i]);
    free(row->spreads);
    json_decref(row->json);
}

void top_row_text(struct top_row *row, unsigned slot, enum style style, struct strbuf *text) {
    free(row->texts[slot]);
    row->texts[slot] = text->text ? text->text : strdup("");
    row->styles[slot] = style;
    *text = (struct strbuf){0};
}

void top_row_push(struct top_row *row, unsigned series, double value) {
    memmove(row->series[series], row->series[series] + 1, (TOP_SAMPLES - 1) * sizeof(float));
    row->series[series][TOP_SAMPLES - 1] = (float)value;
}

double top_row_sum(const struct top_row *row, unsigned series, unsigned samples) {
    double sum = NAN;
    for (unsigned i = TOP_SAMPLES - samples; i < TOP_SAMPLES; i++)
        if (!isnan(row->series[series][i])) sum = (isnan(sum) ? 0 : sum) + row->series[series][i];
    return sum;
}
