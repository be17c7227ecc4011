/* SPDX-License-Identifier: MIT
 *
 * From where on something is a finding.  docs/analyze.md tells each; a test compares the two. */
#ifndef INSPECTOR_ANALYZE_THRESHOLDS_H
#define INSPECTOR_ANALYZE_THRESHOLDS_H

#define LOSS_SENT_MIN 50    /* packets: a link with fewer packets sent is not judged */
#define LOSS_LOST_MIN 5     /* packets: nor one with fewer lost: chance */
#define LOSS_RATE_MIN 0.01  /* of packets: loss below this is not told, however low it is elsewhere */
#define LOSS_RATIO_MIN 3    /* times: so much more than the median of the links between other nodes */
#define LOSS_SURE_Z 2.58    /* standard errors: the lower end of the rate's interval counts, not the rate (Wilson's, 99 %) */
#define LATE_PACKETS_MIN 20 /* packets: a link with fewer packets seen at both ends is not judged */
#define LATE_RATIO_MIN 5    /* times: so much longer under way, the median, than the median of the links between other nodes */
#define LATE_NS_MIN UINT64_C(2000000)      /* ns: and by so much: below it is what a busy machine does */
#define WRONG_LOSSES_MIN 5                 /* packets: given up and received, on one link */
#define WRONG_SHARE_MIN 0.2                /* of losses: and so many of all that the link lost */
#define RTT_SAMPLES_MIN 10                 /* samples: on either side of the moment */
#define RTT_RATIO_MIN 2                    /* times: between the medians before and after */
#define RTT_NS_MIN UINT64_C(5000000)       /* ns: and by so much */
#define SLOW_REQUESTS_MIN 5                /* requests: of one command, complete, in which the node or link took part */
#define SLOW_ALONE_NS UINT64_C(1000000000) /* ns: the median of what passes there, for fewer requests to be enough */
#define ONE_WAY_PART 10                    /* of what came after it: a request that took less went one way */
#define SLOW_SHARE_MIN 0.5                 /* of a request: what passes there, for the request to count */
#define SLOW_OFTEN_MIN 0.6                 /* of the requests: so many count */
#define SLOW_NS_MIN UINT64_C(1000000)      /* ns: the median of what passes there */
#define SLOW_SEVERE_NS UINT64_C(10000000)  /* ns: the same, to be severe; late packets and jumps of the round-trip time, too */
#define FAILED_SEVERE_SHARE 0.05           /* of the requests of a command: so many failed, to be severe */
#define OUTLIER_REQUESTS_MIN 20            /* requests: of one command, for one of them to be an outlier */
#define OUTLIER_RATIO_MIN 100              /* times: as long as the median of the command */
#define OUTLIER_NS_MIN UINT64_C(10000000)  /* ns: and at least so long */
#define OUTLIER_SEVERE_NS UINT64_C(1000000000)    /* ns: the same, to be severe */
#define FLOOD_NODES_MIN 3                         /* nodes: that begin requests, for one of them to be judged */
#define FLOOD_REQUESTS_MIN 200                    /* requests: that one node began */
#define FLOOD_RATIO_MIN 10                        /* times: as many as the median of the other nodes */
#define SHARED_LINKS_MIN 2                        /* links: bad ones with a common end, for that node to be named */
#define SHARED_SHARE_MIN 0.6                      /* of its judged links, in or out: so many are bad */
#define REQUEST_AGE_NS_MIN UINT64_C(5000000000)   /* ns: since a part began that has no end */
#define REQUEST_SEVERE_NS UINT64_C(30000000000)   /* ns: the same, to be severe */
#define STREAM_AGE_NS_MIN UINT64_C(10000000000)   /* ns: since a stream was opened */
#define SILENT_EVENTS_MIN 20                      /* events: of a node, for its silence to mean something */
#define SILENT_NS_MIN UINT64_C(10000000000)       /* ns: since its last event, while others had some */
#define SILENT_RATIO_MIN 3                        /* times: as long as its longest silence before */
#define SILENT_TALKED_NS_MIN UINT64_C(3000000000) /* ns: enough, when others sent to it meanwhile */
#define SILENT_PACKETS_MIN 3                      /* packets: that others sent to it meanwhile */
#define STALL_NS_MIN UINT64_C(1000000000)         /* ns: that a node had no event, and packets sent to it were not taken */

#endif
