/* SPDX-License-Identifier: MIT
 *
 * See time_param.h. */
#include <store/time_param.h>

#include <errno.h>
#include <proto/quantity.h>
#include <string.h>

/* 64 bits of nanoseconds end in 2554; this is the last whole microsecond. */
#define US_MAX (UINT64_MAX / 1000)

static int fail(const char **ret_reason, const char *reason) {
    *ret_reason = reason;
    return -EINVAL;
}

int time_param_parse(const json_t *value, uint64_t now_ns, uint64_t *ret_ns, const char **ret_reason) {
    if (json_is_integer(value)) {
        json_int_t us = json_integer_value(value);
        if (us < 0) return fail(ret_reason, "the time is before 1970");
        if ((uint64_t)us > US_MAX) return fail(ret_reason, "the time is after 2553");
        *ret_ns = (uint64_t)us * 1000;
        return 0;
    }
    if (json_is_real(value)) {
        double us = json_real_value(value);
        if (!(us >= 0)) return fail(ret_reason, "the time is before 1970");
        if (us >= (double)US_MAX) return fail(ret_reason, "the time is after 2553");
        uint64_t whole = (uint64_t)us;
        *ret_ns = whole * 1000 + (uint64_t)((us - (double)whole) * 1000);
        return 0;
    }
    if (!json_is_string(value)) return fail(ret_reason, "a time is a number or a string");
    /* A NUL would hide what follows it. */
    if (strlen(json_string_value(value)) != json_string_length(value)) return fail(ret_reason, "a time cannot contain NUL");
    return trace_time_parse(json_string_value(value), now_ns, ret_ns, ret_reason);
}

int time_param_read(const char *param, const json_t *value, uint64_t now_ns, uint64_t *ret_ns,
                    struct trace_rpc_error *ret_error) {
    const char *reason;
    if (!value || !time_param_parse(value, now_ns, ret_ns, &reason)) return 0;
    return trace_rpc_fail_param(ret_error, param, "%s: %s", param, reason);
}

int time_param_read_end(const char *param, const json_t *value, uint64_t now_ns, uint64_t *ret_ns,
                        struct trace_rpc_error *ret_error) {
    if (time_param_read(param, value, now_ns, ret_ns, ret_error)) return -EINVAL;
    if (value && !*ret_ns) *ret_ns = 1;
    return 0;
}
