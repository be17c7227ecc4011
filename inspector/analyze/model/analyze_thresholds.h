/* SPDX-License-Identifier: MIT
 *
 * The thresholds of findings.  docs/analyze.md explains each; a test compares the two. */
#ifndef INSPECTOR_ANALYZE_THRESHOLDS_H
#define INSPECTOR_ANALYZE_THRESHOLDS_H

#define LOSS_SENT_MIN 50    /* packets: a link with fewer packets sent is not judged */
#define LOSS_LOST_MIN 5     /* packets: nor one that lost fewer, which may be chance */
#define LOSS_RATE_MIN 0.01  /* of packets: a lower loss is not reported, however low it is elsewhere */
#define LOSS_RATIO_MIN 3    /* times: this much more than the median of the links between other nodes */
#define LOSSY_LINKS_MIN 3   /* links: that lose, and more than half of those judged, for the network to be named */
#define LOSS_SURE_Z 2.58    /* standard errors: we judge the lower end of the rate's interval (Wilson's, 99 %), not the rate */
#define GONE_SHARE_MIN 0.9  /* of packets to an untraced peer since it was last heard of: lost, for it to be gone */
#define LATE_PACKETS_MIN 20 /* packets: a link with fewer packets seen at both ends is not judged */
#define LATE_RATIO_MIN 5    /* times: the median one-way delay, compared with the median of the links between other nodes */
#define LATE_NS_MIN UINT64_C(2000000)      /* ns: and longer by this much: a busy machine delays packets by less */
#define LATE_SHARE_MIN 0.2                 /* of all packets to a node: late, if its links have too few to be judged alone */
#define LATE_OFTEN_RATIO_MIN 1.5           /* times: the share of late packets on links between other nodes */
#define LATE_FEW_MIN 10                    /* packets: and at least so many are late */
#define LATE_SENDERS_MIN 2                 /* nodes: that sent the late packets */
#define WRONG_LOSSES_MIN 5                 /* packets: declared lost but received, on one link */
#define WRONG_SHARE_MIN 0.2                /* of all losses of the link: the same */
#define RTT_SAMPLES_MIN 10                 /* samples: before the change, and after it */
#define RTT_RATIO_MIN 2                    /* times: between the medians before and after */
#define RTT_NS_MIN UINT64_C(5000000)       /* ns: and they differ by this */
#define SLOW_REQUESTS_MIN 5                /* requests: of one command, complete, that the node or link took part in */
#define SLOW_ALONE_NS UINT64_C(1000000000) /* ns: the median time there, for fewer requests to be enough */
#define ONE_WAY_PART 10               /* of the time after it: a shorter request that waited for nobody is a one-way message */
#define SLOW_SHARE_MIN 0.5            /* of a request: time there, for the request to count */
#define SLOW_DIVIDED_MIN 0.25         /* of a request: the same, if no place has most of the time */
#define SLOW_OFTEN_MIN 0.6            /* of the requests: this share must count */
#define SLOW_NS_MIN UINT64_C(1000000) /* ns: the median time there */
#define ENDED_TRIES_MIN 10            /* packets and messages that others sent a node which had closed its log */
#define ENDED_TRIED_NS_MIN UINT64_C(1000000000) /* ns: and the last one, so long after its end */
#define SLOW_SEVERE_NS UINT64_C(10000000) /* ns: the same, to be severe; also for late packets and jumps of the round-trip time */
#define ALIKE_NODES_MIN 3                 /* nodes: slow at the same command, for one finding to cover them */
#define ALIKE_RATIO_MAX 3                 /* times: their median; a slower node, or an untraced peer, stands out */
#define TAIL_PART 5                       /* of the requests at a node: the slowest 1/N, compared with that of other nodes */
#define TAIL_OTHERS_MIN 2                 /* nodes: to compare with */
#define FAILED_SEVERE_SHARE 0.05          /* of the requests of a command: this share failed, to be severe */
#define OUTLIER_REQUESTS_MIN 20           /* requests: of one command, for one of them to be an outlier */
#define OUTLIER_RATIO_MIN 100             /* times: the median of the command */
#define OUTLIER_FEW 3                     /* requests: more are outliers only if they are rare among all */
#define OUTLIER_PART 10                   /* of the requests of the command: at most 1/N, to be rare */
#define OUTLIER_NS_MIN UINT64_C(10000000) /* ns: and at least this long */
#define OUTLIER_SEVERE_NS UINT64_C(1000000000)    /* ns: the same, to be severe */
#define APART_REQUESTS_MIN 8                      /* requests: of one command, for a few slow ones to stand apart */
#define APART_RATIO_MIN 10                        /* times: the median */
#define APART_GAP_MIN 5                           /* times: the slowest of the others */
#define APART_PART 4                              /* of the requests: fewer than 1/N stand apart */
#define APART_NS_MIN UINT64_C(100000000)          /* ns: and take at least this long */
#define RETRIED_MIN 3                             /* requests: that failed at a node, and succeeded elsewhere or later */
#define RETRIED_SHARE_MIN 0.25                    /* of what the node was asked */
#define RETRIED_RATIO_MIN 3                       /* times: the same share at other nodes */
#define FLOOD_NODES_MIN 3                         /* nodes: that begin requests, for one of them to be judged */
#define FLOOD_REQUESTS_MIN 200                    /* requests: that one node began */
#define FLOOD_RATIO_MIN 10                        /* times: the median of the other nodes */
#define FLOOD_MESSAGES_MIN 500                    /* messages: of one type, sent by one node */
#define SHARED_LINKS_MIN 2                        /* links: bad, with a common end, for that node to be named */
#define SHARED_SHARE_MIN 0.6                      /* of its judged links, in or out: this share is bad */
#define DELAYS_CHANCE_MAX 0.001                   /* of one: that delays on the links of only one node are chance */
#define REQUEST_AGE_NS_MIN UINT64_C(5000000000)   /* ns: since a part that has not ended began */
#define REQUEST_SOON_NS_MIN UINT64_C(1000000000)  /* ns: the same, if such parts usually take 1/OUTLIER_RATIO_MIN of it */
#define OPEN_RATIO_MIN 2                          /* times: the median of such parts that ended, at least */
#define REQUEST_SEVERE_NS UINT64_C(30000000000)   /* ns: the same, to be severe */
#define STREAM_AGE_NS_MIN UINT64_C(10000000000)   /* ns: since a stream was opened */
#define SILENT_EVENTS_MIN 20                      /* events: of a node, for its silence to mean anything */
#define SILENT_NS_MIN UINT64_C(10000000000)       /* ns: since its last event, with open work, while others emitted some */
#define SILENT_RATIO_MIN 3                        /* times: its longest silence before */
#define SILENT_TALKED_NS_MIN UINT64_C(3000000000) /* ns: the same, if others sent to it meanwhile */
#define SILENT_PACKETS_MIN 3                      /* packets: that others sent to it meanwhile */
#define SILENT_OTHERS_MIN 0.5                     /* of the other nodes: active, for silence with open work to mean anything */
#define STALL_NS_MIN UINT64_C(1000000000)         /* ns: a node had no event, and packets sent to it waited */
#define STALL_SHORT_NS_MIN UINT64_C(50000000) /* ns: the same, if several nodes sent to it meanwhile, and all arrived at once */
#define STALL_TOGETHER_NS_MIN UINT64_C(500000000) /* ns: all short pauses of a node together */
#define STALL_RATIO_MIN 3                         /* times: the median of the other nodes */

#endif
