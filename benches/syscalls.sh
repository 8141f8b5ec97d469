#!/usr/bin/env bash
# Counts the system calls of a relay thread per 1,000 packets that arrive, at saturation, by load and by call.
#
#   benches/syscalls.sh [LOAD ...]      all loads: benches/syscalls.sh --list
#
# The kernel counts (perf, tracepoints), which slows nothing; strace would stop the thread at each call, and it would relay less
# in longer batches. Needs root, Debian's linux-perf, and tracefs: mount -t tracefs tracefs /sys/kernel/tracing
# The server has the core and the load that servers.sh gives them.
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/servers.sh

# name | server | load
rows=(
    "to-peer|duologue|relay --direction to-peer --size 160"
    "to-client|duologue|relay --direction to-client --size 160"
    "to-peer-bursts|duologue|relay --direction to-peer --size 1200 --burst 8"
    "to-client-bursts|duologue|relay --direction to-client --size 1200 --burst 8"
    "pair|duologue|pair --size 1200"
    "pair-bursts|duologue|pair --size 1200 --burst 8"
    "pair-single-port|single-port|pair --size 1200"
    "pair-single-port-bursts|single-port|pair --size 1200 --burst 8"
    "indications|duologue|indications --size 160"
    "indications-bursts|duologue|indications --size 1200 --burst 8"
)
# Calls that are named; all others are counted as one. Each name takes the kernel a while to begin and to end.
named=(recvmmsg sendmmsg epoll_pwait clock_nanosleep setsockopt recvmsg sendmsg read write futex)
# How long calls are counted, in seconds, in the middle of the load.
window=2

wanted=()
while [ $# -gt 0 ]; do
    case "$1" in
        --list) printf '%s\n' "${rows[@]%%|*}"; exit 0 ;;
        -*) echo "unknown option $1; see the head of $0" >&2; exit 2 ;;
        *) wanted+=("$1") ;;
    esac
    shift
done
if ! perf stat -e syscalls:sys_enter_recvmmsg true 2> /dev/null; then
    echo "perf counts no system calls here; see the head of $0" >&2
    exit 1
fi
prepare

# Counts the calls of a thread into $work/calls, as "COUNT NAME".
count_calls() {
    perf stat -x ' ' -o "$work/perf" -e "raw_syscalls:sys_enter$(printf ',syscalls:sys_enter_%s' "${named[@]}")" \
        -t "$1" sleep "$window"
    awk '$1 ~ /^[1-9][0-9]*$/ { sub(/.*sys_enter_?/, "", $2); print $1, $2 == "" ? "all" : $2 }' "$work/perf" > "$work/calls"
}

echo "calls per 1,000 packets"
for line in "${rows[@]}"; do
    IFS='|' read -r row server arguments <<< "$line"
    [ "${#wanted[@]}" -eq 0 ] || [[ " ${wanted[*]} " == *" $row "* ]] || continue
    start_server "$server"
    thread="$(basename "$(dirname "$(grep -l '^shard-0$' "/proc/$server_pid"/task/*/comm)")")"
    (sleep 1.5; count_calls "$thread") &
    counting=$!
    # shellcheck disable=SC2086
    load $arguments --max --warm-up 1s --duration 4s || { cat "$work/why" >&2; exit 1; }
    wait "$counting"
    stop_server
    python3 - "$row" "$window" "$work/report" "$work/calls" << 'PYTHON'
import json
import sys

row, window, report, calls = sys.argv[1:]
kpps = json.load(open(report))["delivered_kpps"]
rates = {name: int(count) / (kpps * float(window)) for count, name in map(str.split, open(calls))}
total = rates.pop("all", 0)
rates["others"] = total - sum(rates.values())
shown = ", ".join(f"{name} {rate:.1f}" for name, rate in sorted(rates.items(), key=lambda rate: -rate[1]) if rate >= 0.05)
print(f"{row:24} {kpps:7.0f} kpps  {total:6.1f}: {shown}", flush=True)
PYTHON
done
