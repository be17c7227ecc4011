#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Five questions to traced with only socat and jq, the same as in examples/client.py, in columns separated by tabs:
#
#     queries.sh failed     the newest request that failed: its time line
#     queries.sh loss       packets lost and sent, by peer
#     queries.sh slowest    the five slowest requests
#     queries.sh follow     packets as they are lost, until Ctrl-C
#     queries.sh lost       events that traced did not get, by node and cause
set -eu

if [ -z "${P2PTRACE_SOCKET:-}" ]; then
    case ${XDG_RUNTIME_DIR:-} in
        /*) P2PTRACE_SOCKET=$XDG_RUNTIME_DIR/p2ptrace/traced.sock ;;
        *) P2PTRACE_SOCKET=/tmp/p2ptrace-$(id -u)/traced.sock ;;
    esac
fi

# request METHOD PARAMS: the line to send to traced.
request() {
    jq -cn --arg method "$1" --argjson params "$2" '{jsonrpc: "2.0", id: 1, method: $method, params: $params}'
}

# A line of columns; text from a node must not control the terminal.
row='def row: map(tostring | gsub("\\p{Cc}"; "?")) | join("\t");'

# ask METHOD PARAMS PROGRAM [JQ-OPTION...]: runs a jq program on the result.
ask() {
    line=$(request "$1" "$2")
    program=$3
    shift 3
    answer=$(printf '%s\n' "$line" | socat -t 10 - "UNIX-CONNECT:$P2PTRACE_SOCKET" 2>/dev/null) || {
        echo "queries.sh: no traced at $P2PTRACE_SOCKET" >&2
        exit 3
    }
    printf '%s\n' "$answer" | jq -cr "$@" "$row"'
        if .error then "queries.sh: \(.error.message)\n" | halt_error(1) else .result | ('"$program"') end'
}

# events PARAMS: the events and gaps of a query in order, one per line, page after page.
events() {
    params=$1
    while [ "$params" != null ]; do
        page=$(ask query "$params" .)
        printf '%s\n' "$page" | jq -c '.events + .gaps | sort_by(.timestamp, .ns) | .[]'
        params=$(printf '%s\n' "$page" | jq -c --argjson params "$1" 'if .cursor then $params + {cursor} else null end')
    done
}

# Node ids and their names, as an object.
names() {
    ask nodes '{}' '[.nodes[] | select(.node_id) | {key: .node_id, value: .name}] | from_entries'
}

failed() {
    names=$(names)
    trace=$(ask traces '{"limit":10000}' '.traces | map(select(.app_id and .outcome == "failed"))[0]')
    [ "$trace" != null ] || return 0
    printf '%s\n' "$trace" | jq -r "$row"'[.trace_id, .command // "-", .duration] | row'
    events "$(printf '%s\n' "$trace" | jq -c '{trace_id}')" | jq -r --argjson names "$names" --argjson trace "$trace" "$row"'
        [(.timestamp - $trace.first.timestamp) * 1000 + .ns - $trace.first.ns,
         $names[.node_id] // .node_id, $names[.peer_id // ""] // .peer_id // "-", .kind] | row'
}

loss() {
    ask peers '{}' '.peers[] | [.name // .peer_id, .packets_lost, .packets_sent] | row'
}

slowest() {
    ask traces '{"limit":10000}' '.traces | map(select(.app_id)) | sort_by(-.duration)[:5][]
        | [.trace_id, .command // "-", .outcome, .duration] | row'
}

follow() {
    names=$(names)
    request subscribe '{"kind":"packet_lost","recent":10}' | socat -t 1000000 - "UNIX-CONNECT:$P2PTRACE_SOCKET" |
        jq -r --unbuffered --argjson names "$names" "$row"'
            select(.method == "events").params
            | (select(.lost > 0) | ["missed", .lost] | row),
              (.events[] | [$names[.node_id] // .node_id, $names[.peer_id // ""] // .peer_id // "-", .data.packet_num] | row)'
}

lost() {
    ask nodes '{}' '.nodes[] | [.name] + (.lost_by | to_entries[] | select(.value > 0) | [.key, .value]) | row'
}

case ${1:-} in
    failed | loss | slowest | follow | lost) "$1" ;;
    *)
        sed -n 's/^#     //p' "$0" >&2
        exit 2
        ;;
esac
