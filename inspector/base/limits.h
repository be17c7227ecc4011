/* SPDX-License-Identifier: MIT
 *
 * Every limit of the inspector, in one place. */
#ifndef INSPECTOR_LIMITS_H
#define INSPECTOR_LIMITS_H

#define LINE_BYTES_MAX (64U << 20)   /* one answer of traced; 10000 events are about 20 MiB */
#define LINE_BYTES_FIRST (64U << 10) /* initial size of the buffer for it */
#define REQUEST_BYTES_MAX 65536U     /* docs/protocol.md: longer lines are refused there */
#define CALL_TIMEOUT_MS 30000U       /* give up when traced has not answered for this long */
#define CALL_GRACE_MS 2000U          /* ... but give it this long even if the program ends (--for) */
#define CALL_NOTE_MS 2000U           /* tell a terminal that traced has not answered for this long */
#define CONFIG_TIMEOUT_MS 1000U      /* `config` shows the file even if traced does not answer */
#define COMPLETE_TIMEOUT_MS 300U     /* shell completion: nobody waits long after TAB */
#define CONNECT_RETRY_MS 100U        /* --wait: pause between two attempts */
#define ANSWER_BYTES_MAX (1U << 30)  /* of ClickHouse: to our questions 200 MiB, to those of `sql` any number */
#define PAGE_EVENTS 2000U            /* events in one request */
#define TRACES_MAX 10000U            /* docs/protocol.md: traces in one answer */
#define TIMELINE_EVENTS_MAX 200000U  /* `trace ID` holds them all in memory */
#define IDS_MAX 65536U               /* ids remembered to shorten them without ambiguity */
#define NAMES_MAX 16384U             /* node names remembered */
#define ID_DIGITS_MIN 8U             /* minimum length of a shortened id */
#define CELL_COLUMNS_MAX 160U        /* a node's text in one table cell or field */
#define NOTE_COLUMNS_MAX 1000U       /* a line on stderr */
#define SPAN_DEPTH_MAX 63U           /* deeper hops are drawn as this deep */
#define SPAN_INDENT_MAX 12U          /* deeper hops are indented as this deep */
#define VERDICTS_MAX 8U              /* lines of one kind at the head of a timeline */
#define FOLD_GROUPS_MAX 64U          /* groups within one run; more are printed one by one */
#define RESUME_ENTRIES_MAX 65536U    /* lanes and logs whose position `follow` remembers */
#define FOLLOW_BACK_S 10U            /* after a restart `follow` resumes this long before the last event shown */
#define FOLLOW_SETTLE_MS 1000U       /* how long after reconnecting `follow` reports what it missed */
#define NODES_REFRESH_MS 1000U       /* `follow` asks for new names at most this often */
#define SQL_MEASURED_ROWS 200U       /* columns get the width that the first rows need */
#define STREAM_COLUMNS_MAX 80U       /* ... but at most this */
#define SQL_CELL_COLUMNS_MAX 100000U /* one cell of a result */
#define SQL_STATEMENT_BYTES_MAX (1U << 20)
#define SQL_MEMBERS_MAX 32U     /* members of a row's object that are examined */
#define SQL_PROGRESS_STEPS 1000 /* SQLite instructions between two checks for an interrupt */
#define SQL_HISTORY_LINES 1000
#define TRIGGER_BEFORE_MS 5000U /* defaults of the window (options.def has the same) */
#define TRIGGER_AFTER_MS 1000U
#define TRIGGER_EVERY_MS 10000U
#define TRIGGER_SETTLE_MS 150U /* how long after a window all its events have been drained */
#define RECORD_QUIET_MS 30U    /* when ended, `record` waits this long for traced's next read: traced pauses at most 25 ms */
#define RECORD_LATER_MS 200U   /* ... and stops reading at events this much later than the end */
#define PACE_PAUSE_MS 60000    /* --speed: longer waits are split into pieces of this length */
#define ARGS_MAX 64U
#define READS_MAX 256U              /* --read, in one command */
#define BESIDE_EVENTS_MAX 10000     /* events of other traces that are read to see what a node did while one waited for it */
#define ANALYZE_EVENTS_MAX 100000U  /* `analyze` reads this many of the newest, unless --limit is given */
#define GRAPH_NODES_MAX 64U         /* columns of a space-time diagram */
#define ARROW_ROWS_MAX 100U         /* of a longer arrow only the ends are drawn */
#define MESSAGE_CANDIDATES_MAX 8U   /* sends with the same number that a receive is compared with */
#define DISORDER_NS_MAX 1000000000U /* a receive up to this long before its send can be clock error */
#define TOP_TRACES_ASKED 500U       /* `top` lists the newest ones */
#define TOP_EVENTS_ASKED 500U       /* the newest of one kind in `top` */
#define TOP_ROWS_COUNTED 4000U      /* groups of a count in `top`: the largest ones */
#define TOP_ROWS_LOOKED 10000U      /* the same of a first look, by time as well: as many as traced returns */
#define TOP_ROWS_ALWAYS 256U        /* peers that `top` asks for even while it does not show them */
#define TOP_SILENCE_MS 3000U        /* `top` says so when traced has not answered for this long */
#define TOP_TIMELINE_EVENTS 5000U   /* events of a trace's timeline in `top` */
#define INPUTS_MAX 2U               /* descriptors that source_next watches besides its own */

#endif
