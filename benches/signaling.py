"""Prints the measurements of signaling.sh as a Markdown table beside the targets: medians of the rounds, extremes behind them.

    python3 benches/signaling.py target/signaling/….jsonl           the table of a run
    python3 benches/signaling.py --json target/signaling/….jsonl    the same as JSON
    python3 benches/signaling.py --engine OUTPUT                    what benches/matchmaking.rs printed, as JSON
"""

import json
import re
import sys
from statistics import median

MS = 1e-3
KIB = 1 / 1024

# row, what is measured, its unit, where the figure stands in the report, its factor, gate, stretch, whether more is better
TARGETS = [
    ("connect", "memory of an idle connection", "KiB", "kib_per_connection", 1, 12, 6, False),
    ("connect-tls", "memory of an idle connection over TLS", "KiB", "kib_per_connection", 1, 30, 20, False),
    ("connect", "connect and hello with a token, one core", "1/s", "connects_per_s", 1, 2_000, 5_000, True),
    ("connect-tls", "the same over TLS, every handshake in full", "1/s", "connects_per_s", 1, None, None, True),
    ("relay", "rtc messages, 10,000/s: p99", "ms", "latency_us.p99", MS, 3, 1, False),
    ("flood", "rtc messages beside a flooder, 10,000/s: p99", "ms", "beside_flood.latency_us.p99", MS, None, None, False),
    ("matching", "match once a partner exists: p99", "ms", "latency_us.p99", MS, 50, 10, False),
    ("matching-most", "matches through the server, one core", "1/s", "matches_per_s", 1, None, None, True),
    ("in-process", "matches in process, 100,000 waiting, 5 of 1,000 tags", "1/s", "matches_per_s", 1, 20_000, 100_000, True),
    ("in-process", "the same with regions", "1/s", "matches_per_s_regions", 1, 20_000, 100_000, True),
    ("in-process", "memory of a waiting ticket", "KiB", "ticket_bytes", KIB, 1, 600 * KIB, False),
    ("in-process", "the same with regions", "KiB", "ticket_bytes_regions", KIB, 1, 600 * KIB, False),
    ("in-process", "the same with 5 of 1,000,000 tags", "KiB", "ticket_bytes_rare_tags", KIB, 1, 600 * KIB, False),
    ("in-process", "the same with 10 of 1,000,000 tags", "KiB", "ticket_bytes_10_rare_tags", KIB, 1, 600 * KIB, False),
    ("resume", "5,000 of 20,000 killed at once: all are back after", "s", "seconds_to_all", 1, 20, None, False),
    ("stall", "held for a reader at 0 B/s, at most", "KiB", "held_kib_max", 1, 256, None, False),
    ("stall", "such readers were borne with for", "s", "seconds_to_close", 1, None, None, True),
    ("stall", "of 100 such readers, closed with 4408", "", "closed.4408", 1, 100, None, True),
]

# What benches/matchmaking.rs prints.
ENGINE = {
    "ticket_bytes": r"5 of 1,000 tags, 8 languages: (\d+) bytes per ticket at level 4",
    "ticket_bytes_regions": r"5 of 1,000 tags, 8 languages, 4 regions: (\d+) bytes per ticket at level 4",
    "ticket_bytes_rare_tags": r"5 of 1,000,000 tags, .*: (\d+) bytes per ticket at level 4",
    "ticket_bytes_10_rare_tags": r"10 of 1,000,000 tags, .*: (\d+) bytes per ticket at level 4",
    "matches_per_s": r"match, 8 languages\s+time:.*\s+thrpt:\s+\[\S+ \S+ (\S+) (\S+)elem/s",
    "matches_per_s_regions": r"match, 8 languages, 4 regions\s+time:.*\s+thrpt:\s+\[\S+ \S+ (\S+) (\S+)elem/s",
}
FACTORS = {"": 1, "K": 1e3, "M": 1e6}


def engine(text):
    """The figures of the engine alone."""
    figures = {}
    for name, pattern in ENGINE.items():
        found = re.search(pattern, text)
        if not found:
            sys.exit(f"{name} is not in what the bench printed")
        number, *unit = found.groups()
        figures[name] = float(number) * FACTORS[unit[0] if unit else ""]
    return figures


def figure(report, path):
    for part in path.split("."):
        report = report.get(part, {})
    return report if isinstance(report, (int, float)) else 0


def shown(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def judge(value, gate, stretch, is_more_better):
    def reaches(target):
        return target is not None and (value >= target if is_more_better else value <= target)

    return "stretch" if reaches(stretch) else "gate" if reaches(gate) else "" if gate is None else "missed"


def rows(path):
    reports = {}
    with open(path, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            reports.setdefault(line["row"], []).append(line["report"])
    for row, name, unit, place, factor, gate, stretch, is_more_better in TARGETS:
        values = [figure(report, place) * factor for report in reports.get(row, [])]
        if values:
            middle = median(values)
            met = judge(middle, gate, stretch, is_more_better)
            yield {
                "what": name, "unit": unit, "gate": gate, "stretch": stretch,
                "measured": middle, "least": min(values), "most": max(values), "met": met,
            }  # fmt: skip


def main(arguments):
    if arguments[0] == "--engine":
        with open(arguments[1], encoding="utf-8") as output:
            print(json.dumps(engine(output.read())))
    elif arguments[0] == "--json":
        print(json.dumps(list(rows(arguments[1])), indent=2))
    else:
        print("| what | unit | gate | stretch | measured | met |\n|---|---|---|---|---|---|")
        for row in rows(arguments[0]):
            measured = f"{shown(row['measured'])} ({shown(row['least'])}-{shown(row['most'])})"
            print(f"| {row['what']} | {row['unit']} | {shown(row['gate'])} | {shown(row['stretch'])} | {measured} | {row['met']} |")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
