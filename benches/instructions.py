"""Counts the instructions of each operation of the relay core (valgrind's callgrind) and compares with what is committed.

    python3 benches/instructions.py            fails where an operation takes over 3 % more or less than benches/instructions.txt
    python3 benches/instructions.py --renew    writes that file

Unlike times, counts do not depend on the machine's load. They do on the compiler, which the file names: with another one a
quarter may differ. Valgrind's processor has no SHA instructions, whatever the machine has, so the hashes of a request count
more here than they take in practice.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASELINE = HERE / "instructions.txt"
TOLERANCE, TOLERANCE_ELSEWHERE = 0.03, 0.25
# RUNS of instructions.rs.
RUNS = 1000
PREFIX = "instructions::world::operations::Operations::"
OPERATIONS = [
    "channel_data_to_peer",
    "peer_to_channel_data",
    "send_indication_to_peer",
    "peer_to_data_indication",
    "hand_over",
    "binding",
    "challenge",
    "refresh",
    "allocate",
    "delete",
]


def output(*command):
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed")
    return done.stdout


def build():
    """The bench, on top of what the tests have built."""
    settings = ["--profile", "dev", "--config", "benches/instructions.toml"]
    told = output("cargo", "bench", "--locked", *settings, "--bench", "instructions", "--no-run", "--message-format=json")
    artifacts = [json.loads(line) for line in told.splitlines()]
    return next(one["executable"] for one in artifacts if one.get("target", {}).get("name") == "instructions")


def count(binary):
    """Instructions of one run by operation, those of the functions that it calls included."""
    with tempfile.TemporaryDirectory() as work:
        counts = Path(work, "counts")
        output("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={counts}", binary)
        lines = counts.read_text(encoding="utf-8").splitlines()
    # "cfn=(7) name" names a function that is called, "cfn=(7)" names it again; two lines below, "12 345" are the line of the
    # call and the instructions within it.
    total = dict.fromkeys(OPERATIONS, 0)
    names = {}
    for number, line in enumerate(lines):
        if named := re.match(r"c?fn=(\(\d+\))(?: (.*))?", line):
            key, name = named.groups()
            names.setdefault(key, name)
            operation = names[key].removeprefix(PREFIX)
            if line.startswith("cfn=") and operation in total:
                total[operation] += int(lines[number + 2].split()[1])
    return {name: round(instructions / RUNS) for name, instructions in total.items()}


def main(renew):
    compiler = output("rustc", "--version").strip()
    found = count(build())
    if renew:
        lines = [f"# {compiler}", *(f"{name} {found[name]}" for name in OPERATIONS)]
        BASELINE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    head, *lines = BASELINE.read_text(encoding="utf-8").splitlines()
    expected = {name: int(number) for name, number in (line.split() for line in lines)}
    tolerance = TOLERANCE
    if head != f"# {compiler}":
        tolerance = TOLERANCE_ELSEWHERE
        print(f"{BASELINE.name} was made by {head[2:]}, this is {compiler}")
    print(f"{'operation':<26}{'committed':>10}{'now':>10}")
    differs = False
    for name in OPERATIONS:
        was, now = expected.get(name), found[name]
        change = f"{now / was - 1:+.1%}" if was else "new"
        verdict = "" if was and abs(now / was - 1) <= tolerance else "  DIFFERS"
        differs = differs or bool(verdict)
        print(f"{name:<26}{was or '':>10}{now:>10}{change:>9}{verdict}")
    if differs:
        sys.exit(f"over {tolerance:.0%} more or less: if that is meant, run {sys.argv[0]} --renew and commit {BASELINE.name}")


main(sys.argv[1:] == ["--renew"])
