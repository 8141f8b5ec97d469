#!/usr/bin/env bash
# What waiting for more packets before reading again (relay.moderation_us) saves and costs: CPU against delay, by rate.
#
#   benches/moderation.sh [--rounds N] [--duration 2s] [KPPS ...]      default: 5 20 50 100
#
# 100 allocations, packets of 160 bytes each way. Columns are values of relay.moderation_us, and coturn; they take turns
# within a round. benches/servers.sh says what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

values=(0 50 100 200 300 500 1000)
rounds=3
duration=2s
rates=()
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds="$2"; shift ;;
        --duration) duration="$2"; shift ;;
        -*) echo "unknown option $1; see the head of $0" >&2; exit 2 ;;
        *) rates+=("$1") ;;
    esac
    shift
done
[ "${#rates[@]}" -gt 0 ] || rates=(5 20 50 100)

# shellcheck source=benches/servers.sh
. benches/servers.sh
prepare
results="target/peers/moderation-$(date -u +%Y%m%dT%H%M%SZ).jsonl"
mkdir -p target/peers

for round in $(seq "$rounds"); do
    for rate in "${rates[@]}"; do
        echo "round $round: $rate kpps" >&2
        for column in "${coturns[@]}" "${values[@]}"; do
            case "$column" in
                coturn-*) start_server "$column" ;;
                *) start_server duologue "$column" ;;
            esac
            measure "$results" "$round" "moderation-$rate" "$column" relay --size 160 --rate "${rate}000" --duration "$duration"
            stop_server
        done
    done
done
echo "$results" >&2
python3 benches/table.py "$results"
