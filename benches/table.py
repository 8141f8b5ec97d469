"""Prints the measurements of peers.sh or moderation.sh as a Markdown table: medians, extremes, and ratios within rounds."""

import json
import sys
from statistics import median

KPPS, CPU = "delivered_kpps", "server_process.cpu_us_each"
P50, P99, LOSS = "latency_us.p50", "latency_us.p99", "loss_percent"
HELD = "kib_per_allocation"

# row, what it is called, where its figure stands in the report
FIGURES = [
    ("relay-160", "relay, 160 B single, kpps", KPPS),
    ("relay-1200-bursts", "relay, 1200 B in bursts of 8, kpps", KPPS),
    ("indications-160", "indications, 160 B single, kpps", KPPS),
    ("indications-1200-bursts", "indications, 1200 B in bursts of 8, kpps", KPPS),
    ("pair-1200", "pair, 1200 B single, kpps", KPPS),
    ("pair-1200-bursts", "pair, 1200 B in bursts of 8, kpps", KPPS),
    ("pair-indications-1200-bursts", "pair in indications, 1200 B in bursts of 8, kpps", KPPS),
    ("relay-50k", "CPU per packet at 50 kpps, 160 B, us", CPU),
    ("relay-50k", "p99 at 50 kpps, us", P99),
    ("relay-50k", "loss at 50 kpps, %", LOSS),
    ("relay-50k-unmoderated", "CPU per packet at 50 kpps, us", CPU),
    ("relay-50k-unmoderated", "p99 at 50 kpps, us", P99),
    ("relay-50k-unmoderated", "loss at 50 kpps, %", LOSS),
    ("binding", "Binding, k/s", KPPS),
    ("allocate", "Allocate + Refresh(0), k/s", "kilo_cycles_per_s"),
    ("allocate", "CPU per cycle, us", CPU),
    ("hold", "memory per allocation and channel, KiB", HELD),
    ("tcp-160", "clients over TCP, 160 B single, kpps", KPPS),
    ("tcp-160", "CPU per packet, us", CPU),
    ("tls-160", "clients over TLS, 160 B single, kpps", KPPS),
    ("tls-160", "CPU per packet, us", CPU),
    ("tcp-1200", "clients over TCP, 1200 B single, kpps", KPPS),
    ("tcp-1200", "CPU per packet, us", CPU),
    ("tls-1200", "clients over TLS, 1200 B single, kpps", KPPS),
    ("tls-1200", "CPU per packet, us", CPU),
    ("tcp-160-half", "TCP, 160 B single, half a core, kpps", KPPS),
    ("tls-160-half", "TLS, 160 B single, half a core, kpps", KPPS),
    ("tcp-1200-half", "TCP, 1200 B single, half a core, kpps", KPPS),
    ("tls-1200-half", "TLS, 1200 B single, half a core, kpps", KPPS),
    ("tcp-1200-bursts", "clients over TCP, 1200 B in bursts of 8, kpps", KPPS),
    ("tcp-1200-bursts", "CPU per packet, us", CPU),
    ("tls-1200-bursts", "clients over TLS, 1200 B in bursts of 8, kpps", KPPS),
    ("tls-1200-bursts", "CPU per packet, us", CPU),
    ("ten-thousand", "10,000 allocations, 1,000 kpps asked for, kpps", KPPS),
    ("ten-thousand", "CPU per packet, us", CPU),
    ("ten-thousand", "p99, us", P99),
    ("ten-thousand", "loss of what was sent, %", LOSS),
    ("ten-thousand-100k", "10,000 allocations at 100 kpps, CPU per packet, us", CPU),
    ("ten-thousand-100k", "p99, us", P99),
    ("ten-thousand-100k", "loss, %", LOSS),
]
FIGURES += [
    (f"moderation-{rate}", f"{name} at {rate} kpps", path)
    for rate in (5, 20, 50, 100, 150)
    for name, path in (("CPU per packet, us,", CPU), ("p50, us,", P50), ("p99, us,", P99), ("loss, %,", LOSS))
]

# Rows that measure this server otherwise, beside columns of another row.
BESIDE = {"relay-50k-unmoderated": "relay-50k"}

# The same packets on channels: what indications are compared with.
ON_CHANNELS = {
    "indications-160": "relay-160",
    "indications-1200-bursts": "relay-1200-bursts",
    "pair-indications-1200-bursts": "pair-1200-bursts",
}


def figure(report, path):
    for part in path.split("."):
        report = report[part]
    return report


def shown(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(values, is_limited):
    """The median with its extremes; ">" where the load generator was the limit most of the time."""
    if not values:
        return ""
    mark = ">" if is_limited else ""
    return f"{mark}{shown(median(values))} ({shown(min(values))}-{shown(max(values))})"


def ratio(ours, theirs):
    """The median over the rounds that have both."""
    ratios = [ours[turn] / theirs[turn] for turn in ours if theirs.get(turn)]
    return f"{median(ratios):.2f}" if ratios else ""


class Measured:
    """All reports of a file."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as lines:
            self.lines = [json.loads(line) for line in lines]
        # In the order in which they were measured: coturns first.
        self.servers = list(dict.fromkeys(line["server"] for line in self.lines))

    def reports(self, row, server):
        return {line["round"]: line["report"] for line in self.lines if (line["row"], line["server"]) == (row, server)}

    def by_round(self, row, server, path):
        return {turn: figure(report, path) for turn, report in self.reports(row, server).items()}

    def is_limited(self, row, server):
        limits = [report["generator"]["is_limit"] for report in self.reports(row, server).values()]
        return 2 * sum(limits) > len(limits)


def main(path):
    measured = Measured(path)
    servers = measured.servers
    others = [server for server in servers if server == "floor" or server.startswith("coturn")]
    has_ratios = "duologue" in servers or "unmoderated" in servers
    heads = [f"to {server}" for server in others] + ["to channels"] if has_ratios else []
    print("| workload | " + " | ".join(servers + heads) + " |")
    print("|---" * (len(servers) + len(heads) + 1) + "|")
    for row, name, pointer in FIGURES:
        values = {server: measured.by_round(row, server, pointer) for server in servers}
        if not any(values.values()):
            continue
        cells = []
        for server in servers:
            # A fixed rate is not a limit that anybody reached, time and memory neither.
            is_limited = pointer == KPPS and measured.is_limited(row, server)
            cells.append(cell(list(values[server].values()), is_limited))
        if has_ratios:
            ours = values.get("unmoderated") or values.get("duologue", {})
            for other in others:
                cells.append(ratio(ours, measured.by_round(BESIDE.get(row, row), other, pointer)))
            channels = measured.by_round(ON_CHANNELS.get(row, ""), "duologue", pointer)
            cells.append(ratio(ours, channels))
        print(f"| {name} | " + " | ".join(cells) + " |")


main(sys.argv[1])
