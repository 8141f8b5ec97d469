#!/usr/bin/env bash
# Looks for the highest rate that a server relays without loss, then keeps it under a steady load and watches its memory.
#
#   benches/soak.sh [--server duologue] [--allocations 100] [--size 160] [--duration 20m] [--share 70]
#   benches/soak.sh --allocations 10000 --duration 60s --share 100      ten thousand calls: what each can have
#
# The load is that share of the highest rate, in percent. It is looked for below what `--max` delivers; a rate
# holds if less than one packet in a thousand is lost in two seconds. --server: a coturn by name, duologue, single-port (the
# load is then between clients), unmoderated. benches/servers.sh says what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

server=duologue
allocations=100
size=160
duration=20m
share=70
while [ $# -gt 0 ]; do
    case "$1" in
        --server) server="$2" ;;
        --allocations) allocations="$2" ;;
        --size) size="$2" ;;
        --duration) duration="$2" ;;
        --share) share="$2" ;;
        *) echo "unknown option $1; see the head of $0" >&2; exit 2 ;;
    esac
    shift 2
done

# shellcheck source=benches/servers.sh
. benches/servers.sh
[ "$server" != coturn ] || server="${coturns[0]}"
prepare
kind=relay
[ "$server" != single-port ] || kind=pair

# read_report NAME: a number of the last report.
read_report() {
    grep -o "\"$1\":[0-9.]*" "$work/report" | head -1 | cut -d: -f2
}

traffic() {
    load "$kind" --allocations "$allocations" --size "$size" "$@" || { cat "$work/why" >&2; exit 1; }
}

start_server "$server"
traffic --max --duration 2s
most="$(read_report delivered_kpps)"
holds=0
low=0
high="${most%.*}000"
for _ in 1 2 3 4 5 6; do
    rate=$(((low + high) / 2))
    [ "$holds" -gt 0 ] || rate=$((high * 9 / 10))
    traffic --rate "$rate" --duration 2s
    lost="$(read_report loss_percent)"
    late="$(read_report late_percent)"
    echo "$rate packets/s: $lost % lost, $late % not sent in time" >&2
    if awk -v lost="$lost" -v late="$late" 'BEGIN { exit !(lost < 0.1 && late < 1) }'; then
        low=$rate
        holds=$rate
    else
        high=$rate
    fi
done
[ "$holds" -gt 0 ] || { echo "no rate holds" >&2; exit 1; }
rate=$((holds * share / 100))
echo "$server, $allocations allocations, $size bytes: $most kpps at slight overload, $holds packets/s without loss"
awk -v rate="$rate" -v allocations="$allocations" \
    'BEGIN { printf "now %d packets/s, %.1f of each allocation each way\n", rate, rate / allocations / 2 }'

# One load from beginning to end, and its memory every ten seconds; the report comes when it is over.
watch_memory() {
    local begin=$SECONDS
    # It ends with the server at the latest.
    while sleep 10 && [ -d "/proc/$server_pid" ]; do
        echo "$((SECONDS - begin)) s: $(awk '/^VmRSS/ { print $2 }' "/proc/$server_pid/status") KiB resident"
    done
}
watch_memory &
watcher=$!
traffic --rate "$rate" --duration "$duration"
kill "$watcher"
echo "sent $(read_report sent), lost $(read_report loss_percent) %, p50 $(read_report p50) us, p99 $(read_report p99) us," \
    "max $(read_report max) us, $(read_report cpu_us_each) us of a core each ($(read_report cpu_percent) %)"
echo "resident: $(read_report rss_before_kib) KiB before, $(read_report rss_after_kib) KiB after"
