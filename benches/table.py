"""Prints the measurements of benches/peers.sh as a Markdown table: medians, extremes, and ratios within rounds."""

import json
import sys
from statistics import median

# row, what it is called, where its figure stands in the report, whether more is better
FIGURES = [
    ("relay-160", "relay, 160 B single, kpps", "delivered_kpps", True),
    ("relay-1200-bursts", "relay, 1200 B in bursts of 8, kpps", "delivered_kpps", True),
    ("pair-1200", "pair, 1200 B single, kpps", "delivered_kpps", True),
    ("pair-1200-bursts", "pair, 1200 B in bursts of 8, kpps", "delivered_kpps", True),
    ("relay-50k", "CPU per packet at 50 kpps, 160 B, us", "server_process.cpu_us_each", False),
    ("relay-50k", "p99 at 50 kpps, us", "latency_us.p99", False),
    ("relay-50k", "loss at 50 kpps, %", "loss_percent", False),
    ("indications-160", "indications, 160 B single, kpps", "delivered_kpps", True),
    ("binding", "Binding, k/s", "delivered_kpps", True),
    ("allocate", "Allocate + Refresh(0), k/s", "kilo_cycles_per_s", True),
    ("allocate", "CPU per cycle, us", "server_process.cpu_us_each", False),
    ("hold", "memory per allocation and channel, KiB", "kib_per_allocation", False),
    ("tcp-160", "relay, 160 B, clients over TCP, kpps", "delivered_kpps", True),
    ("tcp-160", "CPU per packet, clients over TCP, us", "server_process.cpu_us_each", False),
    ("tls-160", "relay, 160 B, clients over TLS, kpps", "delivered_kpps", True),
    ("tls-160", "CPU per packet, clients over TLS, us", "server_process.cpu_us_each", False),
]
SERVERS = ["coturn", "floor", "duologue", "single-port"]


def figure(report, path):
    for part in path.split("."):
        report = report[part]
    return report


def shown(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(by_round, limited):
    """The median with its extremes; ">" where the load generator was the limit most of the time."""
    if not by_round:
        return ""
    values = list(by_round.values())
    mark = ">" if 2 * len(limited) > len(values) else ""
    return f"{mark}{shown(median(values))} ({shown(min(values))}-{shown(max(values))})"


def ratio(ours, theirs):
    """The median over the rounds that have both."""
    ratios = [ours[turn] / theirs[turn] for turn in ours if theirs.get(turn)]
    return f"{median(ratios):.2f}" if ratios else ""


def main(path):
    with open(path, encoding="utf-8") as lines:
        measured = [json.loads(line) for line in lines]
    print("| workload | " + " | ".join(SERVERS) + " | to floor | to coturn |")
    print("|---" * (len(SERVERS) + 3) + "|")
    for row, name, pointer, more_is_better in FIGURES:
        found = [one for one in measured if one["row"] == row]
        if not found:
            continue
        values, limited = {}, {}
        for server in SERVERS:
            own = [one for one in found if one["server"] == server]
            values[server] = {one["round"]: figure(one["report"], pointer) for one in own}
            # A fixed rate is not a limit that anybody reached.
            limited[server] = [
                one for one in own if more_is_better and one["report"]["generator"]["is_limit"]
            ]
        cells = [cell(values[server], limited[server]) for server in SERVERS]
        ratios = [ratio(values["duologue"], values[other]) for other in ("floor", "coturn")]
        print(f"| {name} | " + " | ".join(cells + ratios) + " |")


main(sys.argv[1])
