#!/usr/bin/env bash
# Measures this relay beside coturn and beside a forwarder without protocol (the floor), in turn, and prints a table.
#
#   benches/peers.sh [--rounds N] [--duration 2s] [ROW ...]      all rows: benches/peers.sh --list
#   benches/peers.sh --duration 60s ten-thousand                  a minute of 10,000 calls at 50 packets/s each way
#
# Every measurement has a fresh server. Servers take turns within a round, because machines drift: read the ratios, they are
# made within rounds. Needs two cores that are idle otherwise; benches/servers.sh says how they are used, and how to measure
# beside a second coturn. In rows named -half the server has half a core: with a whole one the load would be the limit.
set -euo pipefail
cd "$(dirname "$0")/.."

# name | servers | load
rows=(
    "relay-160|coturn floor duologue|relay --max --size 160"
    "relay-1200-bursts|coturn floor duologue|relay --max --size 1200 --burst 8"
    "indications-160|coturn duologue|indications --max --size 160"
    "indications-1200-bursts|coturn duologue|indications --max --size 1200 --burst 8"
    "pair-1200|coturn floor duologue single-port|pair --max --size 1200"
    "pair-1200-bursts|coturn floor duologue single-port|pair --max --size 1200 --burst 8"
    "pair-indications-1200-bursts|coturn duologue single-port|indications --pair --max --size 1200 --burst 8"
    "relay-50k|coturn floor duologue|relay --rate 50000 --size 160"
    "relay-50k-unmoderated|unmoderated|relay --rate 50000 --size 160"
    "binding|coturn duologue|binding --max"
    "allocate|coturn duologue single-port|allocate"
    "hold|coturn duologue single-port|hold --allocations 10000"
    "tcp-160|coturn duologue|relay --max --size 160 --transport tcp"
    "tls-160|coturn duologue|relay --max --size 160 --transport tls --insecure"
    "tcp-1200|coturn duologue|relay --max --size 1200 --transport tcp"
    "tls-1200|coturn duologue|relay --max --size 1200 --transport tls --insecure"
    "tcp-160-half|coturn duologue|relay --max --size 160 --transport tcp"
    "tls-160-half|coturn duologue|relay --max --size 160 --transport tls --insecure"
    "tcp-1200-half|coturn duologue|relay --max --size 1200 --transport tcp"
    "tls-1200-half|coturn duologue|relay --max --size 1200 --transport tls --insecure"
    "tcp-1200-bursts|coturn duologue|relay --max --size 1200 --burst 8 --transport tcp"
    "tls-1200-bursts|coturn duologue|relay --max --size 1200 --burst 8 --transport tls --insecure"
    "ten-thousand|coturn duologue|relay --allocations 10000 --rate 1000000 --size 160"
    "ten-thousand-100k|coturn duologue|relay --allocations 10000 --rate 100000 --size 160"
)

rounds=5
duration=2s
wanted=()
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds="$2"; shift ;;
        --duration) duration="$2"; shift ;;
        --list) printf '%s\n' "${rows[@]%%|*}"; exit 0 ;;
        -*) echo "unknown option $1; see the head of $0" >&2; exit 2 ;;
        *) wanted+=("$1") ;;
    esac
    shift
done

# shellcheck source=benches/servers.sh
. benches/servers.sh
prepare
results="target/peers/$(date -u +%Y%m%dT%H%M%SZ).jsonl"
mkdir -p target/peers

for round in $(seq "$rounds"); do
    for line in "${rows[@]}"; do
        IFS='|' read -r row servers arguments <<< "$line"
        [ "${#wanted[@]}" -eq 0 ] || [[ " ${wanted[*]} " == *" $row "* ]] || continue
        echo "round $round: $row" >&2
        for server in ${servers/coturn/${coturns[*]}}; do
            start_server "$server"
            [[ "$row" != *-half ]] || halve_server
            # shellcheck disable=SC2086
            measure "$results" "$round" "$row" "$server" $arguments --duration "$duration"
            stop_server
        done
    done
done
echo "$results" >&2
python3 benches/table.py "$results"
