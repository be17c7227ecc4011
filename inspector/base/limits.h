/* SPDX-License-Identifier: MIT
 *
 * Every limit of the inspector, in one place. */
#ifndef INSPECTOR_LIMITS_H
#define INSPECTOR_LIMITS_H

#define LINE_BYTES_MAX (64U << 20)   /* one answer of traced; 10000 events are about 20 MiB */
#define LINE_BYTES_FIRST (64U << 10) /* what the buffer for it begins with */
#define REQUEST_BYTES_MAX 65536U     /* docs/protocol.md: longer lines are refused there */
#define CALL_TIMEOUT_MS 30000U       /* a traced that says nothing for so long is given up */
#define COMPLETE_TIMEOUT_MS 300U     /* the shells' completion: nobody waits for long behind TAB */
#define CONNECT_RETRY_MS 100U        /* --wait: between two attempts */
#define PAGE_EVENTS 2000U            /* events asked for at once */
#define TRACES_MAX 10000U            /* docs/protocol.md: traces in one answer */
#define TIMELINE_EVENTS_MAX 200000U  /* `trace ID` keeps them all in memory */
#define IDS_MAX 65536U               /* ids remembered to shorten them without ambiguity */
#define NAMES_MAX 16384U             /* node names remembered */
#define ID_DIGITS_MIN 8U             /* a shortened id has at least so many */
#define CELL_COLUMNS_MAX 160U        /* text of a node in one table cell or field */
#define NOTE_COLUMNS_MAX 1000U       /* a line on stderr */
#define SPAN_DEPTH_MAX 63U           /* deeper hops are drawn as this deep */
#define SPAN_INDENT_MAX 12U          /* deeper hops are indented as this deep */
#define VERDICTS_MAX 8U              /* lines of one sort at the head of a timeline */
#define FOLD_GROUPS_MAX 64U          /* groups within one run; more are printed one by one */
#define SHOWN_ENTRIES_MAX 65536U     /* lanes and logs of which `follow` knows what it has shown */
#define FOLLOW_BACK_S 10U            /* a new traced is asked for what is so much older than the last event shown */
#define FOLLOW_TOLD_MS 1000U         /* so long after connecting again `follow` tells what it has missed */
#define NODES_REFRESH_MS 1000U       /* `follow` asks for new names at most so often */
#define SQL_MEASURED_ROWS 200U       /* a result's columns are as wide as these rows ask for */
#define SQL_COLUMNS_MAX 80U          /* ... and the last column apart at most so wide */
#define SQL_CELL_COLUMNS_MAX 100000U /* a cell of a result */
#define SQL_STATEMENT_BYTES_MAX (1U << 20)
#define SQL_MEMBERS_MAX 32U     /* members of a row's object that are looked at */
#define SQL_PROGRESS_STEPS 1000 /* of SQLite's machine, between two looks for an interrupt */
#define SQL_HISTORY_LINES 1000
#define TRIGGER_BEFORE_MS 5000U /* what a window is without options (options.def says the same) */
#define TRIGGER_AFTER_MS 1000U
#define TRIGGER_EVERY_MS 10000U
#define TRIGGER_SETTLE_MS 150U /* so long after a window its events have been drained */
#define RECORD_QUIET_MS 20U    /* at its end `record` reads what has arrived, until nothing came for so long, */
#define RECORD_DRAIN_MS 1000U  /* ... but not longer than this */
#define PACE_PAUSE_MS 60000    /* --speed: a longer wait is made of such pieces */
#define ARGS_MAX 4U
#define READS_MAX 256U              /* --read, in one command */
#define ANALYZE_EVENTS_MAX 100000U  /* `analyze` reads so many, the newest, unless --limit says otherwise */
#define GRAPH_NODES_MAX 64U         /* columns of a space-time diagram */
#define ARROW_ROWS_MAX 100U         /* a longer arrow has its ends drawn alone */
#define MESSAGE_CANDIDATES_MAX 8U   /* sends of one number that a receive is compared with */
#define DISORDER_NS_MAX 1000000000U /* a receive so long before its send may be a matter of clocks */
#define TOP_TRACES_ASKED 500U       /* `top` lists the newest */
#define TOP_EVENTS_ASKED 500U       /* the newest of a kind in `top` */
#define TOP_ROWS_COUNTED 4000U      /* groups of a count in `top`: those with most events */
#define TOP_ROWS_ALWAYS 256U        /* so many peers `top` asks for also while it does not show them */
#define TOP_SILENCE_MS 3000U        /* `top` says so of a traced that has not answered for so long */
#define TOP_TIMELINE_EVENTS 5000U   /* of a trace's timeline in `top` */
#define INPUTS_MAX 2U               /* descriptors that client_wait looks at beside the socket */

#endif
