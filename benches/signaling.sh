#!/usr/bin/env bash
# Measures signaling and matching and prints the table of targets: gate, stretch, measured.
#
#   benches/signaling.sh [--rounds N] [ROW ...]      all rows: benches/signaling.sh --list
#
# Every measurement has a fresh server. `in-process` is the engine alone, without server or socket: benches/matchmaking.rs.
# Needs two cores that are idle otherwise; benches/cores.sh says how they are used. JSON lines stay in target/signaling/.
set -euo pipefail
cd "$(dirname "$0")/.."

# 20,000 clients, or as many as this user may have files: some may raise that themselves, most may not.
files="$(ulimit -Hn)"
[ "$files" != unlimited ] || files=1000000
if [ "$files" -lt 20500 ] && ulimit -Hn 20500 2> /dev/null; then files=20500; fi
many=$((files < 20500 ? files - 500 : 20000))

# name | listener | load
rows=(
    "connect|http|signaling connect --connections $many --duration 3s"
    "connect-tls|shared|signaling connect --connections $((many / 4)) --duration 3s"
    "relay|http|signaling relay --connections 2000 --rate 10000"
    "flood|http|signaling flood --connections 2000 --rate 10000"
    "resume|http|signaling resume --connections $many --kill $((many < 5000 ? many : 5000))"
    "stall|http|signaling stall --connections 200 --rate 7 --duration 60s"
    "matching|http|matching --connections 1000 --rate 500"
    "matching-most|http|matching --connections 2000"
    "in-process||"
)

rounds=3
wanted=()
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds="$2"; shift ;;
        --list) printf '%s\n' "${rows[@]%%|*}"; exit 0 ;;
        -*) echo "unknown option $1; see the head of $0" >&2; exit 2 ;;
        *) wanted+=("$1") ;;
    esac
    shift
done

# shellcheck source=benches/cores.sh
. benches/cores.sh
prepare_cores "$server_cpu" "$load_cpu"
results="target/signaling/$(date -u +%Y%m%dT%H%M%SZ).jsonl"
mkdir -p target/signaling

# start_server ROW: on ports of its own choice, with files of its own in $run: what the server before it wrote is never taken for
# its word. No limit stands in the way of honest clients (127.2/16); floods come from elsewhere and meet the limits as shipped.
start_server() {
    local limits=""
    [ "$1" = flood ] || limits="queue_joins_per_minute = 1000000
calls_per_minute = 1000000
messages_per_second = 5000
messages_burst = 10000"
    run="$(mktemp -d "$work/run.XXXXXX")"
    cat > "$run/duologue.toml" << TOML
[server]
state_dir = "$run/state"
[http]
listen = ["127.0.0.1:0"]
tls_listen = ["127.0.0.1:0"]
[turn]
udp_listen = ["127.0.0.1:0"]
tcp_listen = []
tls_listen = []
[relay]
addresses = ["127.0.0.1"]
shards = 1
[auth]
jwt_secrets = ["$secret"]
[limits]
$limits
exempt = ["127.2.0.0/16"]
[log]
level = "warn"
TOML
    apart -15 taskset -c "$server_cpu" "$duologue" serve --config "$run/duologue.toml" > "$run/listeners" 2> "$run/log" &
    server_pid=$!
    # The child makes the file, so it may not be there yet.
    for _ in $(seq 100); do
        ! grep -qs '^ready' "$run/listeners" || return 0
        kill -0 "$server_pid" 2> /dev/null || break
        sleep 0.1
    done
    echo "the server does not start" >&2
    cat "$run/log" >&2
    exit 1
}

# note ROUND ROW REPORT
note() {
    printf '{"round":%d,"row":"%s","report":%s}\n' "$1" "$2" "$3" >> "$results"
}

# measure ROUND ROW LISTENER ARGUMENT...
measure() {
    local round="$1" row="$2" listener="$3" trust=()
    shift 3
    start_server "$row"
    [ "$listener" = http ] || trust=(--ca "$run/state/tls/local-ca.pem")
    local address
    address="$(awk -v listener="$listener" '$1 == listener { print $2 }' "$run/listeners")"
    if DUOLOGUE_LOAD_SECRET="$secret" run_load load "$@" --server "$address" "${trust[@]}"; then
        note "$round" "$row" "$(cat "$work/report")"
    else
        echo "$row: $(cat "$work/why")" >&2
    fi
    stop_server
    rm -rf "$run"
}

for round in $(seq "$rounds"); do
    for line in "${rows[@]}"; do
        IFS='|' read -r row listener arguments <<< "$line"
        [ "${#wanted[@]}" -eq 0 ] || [[ " ${wanted[*]} " == *" $row "* ]] || continue
        echo "round $round: $row" >&2
        if [ "$row" = in-process ]; then
            taskset -c "$load_cpu" cargo bench --locked --bench matchmaking -- match, > "$work/bench"
            note "$round" "$row" "$(python3 benches/signaling.py --engine "$work/bench")"
        else
            # shellcheck disable=SC2086
            measure "$round" "$row" "$listener" $arguments
        fi
    done
done
echo "clients: $many; report: $results" >&2
python3 benches/signaling.py "$results"
