# SPDX-License-Identifier: MIT
"""Prints the results of the benchmarks in Python like those of bench.c."""
import json
import statistics


class Report:
    """Prints results as bench.c does: a table, or a JSON line each."""

    def __init__(self, bench, peer, as_json):
        """peer: what the floors are."""
        self.bench, self.peer = bench, peer
        self.as_json = as_json
        self.headed = False

    def result(self, case, values, unit, floor=None, **extra):
        value, (low, high) = statistics.median(values), spread(values)
        line = {"bench": self.bench, "case": case, "value": round(value, 2), "unit": unit}
        if floor is not None:
            line |= {"floor": round(floor, 2), "ratio": round(value / floor, 3), "peer": self.peer}
        line |= extra | {"low": round(low, 2), "high": round(high, 2), "repetitions": len(values)}
        if self.as_json:
            print(json.dumps(line, separators=(",", ":")), flush=True)
            return
        if not self.headed:
            print(f"{'bench':10} {'case':14} {'median':>10}  {'unit':12} {'floor':>10} {'ratio':>7}  {'middle half':19} {'reps':>5}")
        self.headed = True
        shown = f"{floor:10.2f} {value / floor:7.3f}" if floor is not None else f"{'-':>10} {'-':>7}"
        notes = "".join(f"  {name} {number}" for name, number in extra.items())
        peer = f"  floor: {self.peer}" if floor is not None else ""
        print(f"{self.bench:10} {case:14} {value:10.2f}  {unit:12} {shown}  {low:8.2f} - {high:<8.2f} {len(values):5}{peer}{notes}", flush=True)


def spread(values):
    """The quarter points."""
    if len(values) < 2:
        return values[0], values[0]
    quarters = statistics.quantiles(values, n=4, method="inclusive")
    return quarters[0], quarters[2]
