#!/usr/bin/env bash
# Measures this relay beside coturn and beside a forwarder without protocol (the floor), in turn, and prints a table.
#
#   benches/peers.sh [--rounds N] [--duration 2s] [ROW ...]      all rows: benches/peers.sh --list
#
# The server runs on core 0, the load on core 1 (SERVER_CPU, LOAD_CPU), one relay thread each. Every measurement has a fresh
# server. Servers take turns within a round, because machines drift: read the ratios, they are made within rounds.
# Needs two cores that are idle otherwise, coturn (Debian's, or TURNSERVER) and openssl; scripts/setup-system has them.
set -euo pipefail
cd "$(dirname "$0")/.."

# name | servers | load
rows=(
    "relay-160|coturn floor duologue|relay --max --size 160"
    "relay-1200-bursts|coturn floor duologue|relay --max --size 1200 --burst 8"
    "pair-1200|coturn floor duologue single-port|pair --max --size 1200"
    "pair-1200-bursts|coturn floor duologue single-port|pair --max --size 1200 --burst 8"
    "relay-50k|coturn floor duologue|relay --rate 50000 --size 160"
    "indications-160|coturn duologue|indications --max --size 160"
    "binding|coturn duologue|binding --max"
    "allocate|coturn duologue single-port|allocate"
    "hold|coturn duologue single-port|hold --allocations 5000"
    "tcp-160|coturn duologue|relay --max --size 160 --transport tcp"
    "tls-160|coturn duologue|relay --max --size 160 --transport tls --insecure"
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

server_cpu="${SERVER_CPU:-0}"
load_cpu="${LOAD_CPU:-1}"
turnserver="${TURNSERVER:-turnserver}"
duologue="${DUOLOGUE_BIN:-$PWD/target/release/duologue}"
secret="a secret of the benches alone"
for tool in "$turnserver" openssl taskset setsid python3; do
    command -v "$tool" > /dev/null || { echo "$tool is missing: scripts/setup-system installs it" >&2; exit 1; }
done
[ -n "${DUOLOGUE_BIN:-}" ] || cargo build --release --locked

work="$(mktemp -d)"
results="target/peers/$(date -u +%Y%m%dT%H%M%SZ).jsonl"
mkdir -p target/peers
server_pid=""
load_pid=""

finish() {
    [ -z "$load_pid" ] || kill "$load_pid" 2> /dev/null || true
    stop_server
    rm -rf "$work"
}
trap finish EXIT

# Everything below 24 KiB of memory and a socket each: 5000 allocations need more files than shells start with.
ulimit -n "$(ulimit -Hn)"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2> /dev/null

# A session of its own has a priority of its own (sched_autogroup), which only root may raise.
prefer() {
    { echo -15 > "/proc/$1/autogroup"; } 2> /dev/null || true
}

# start_server NAME: sets server_pid, udp and tls (addresses).
start_server() {
    udp=127.0.0.1:33478
    tls=127.0.0.1:35349
    case "$1" in
        coturn)
            setsid taskset -c "$server_cpu" "$turnserver" -n --no-cli --no-tlsv1 --no-tlsv1_1 --no-dtls \
                --use-auth-secret --static-auth-secret "$secret" --realm r --relay-threads 1 \
                --allow-loopback-peers --no-multicast-peers --listening-ip 127.0.0.1 --relay-ip 127.0.0.1 \
                --listening-port 33478 --tls-listening-port 35349 --min-port 40000 --max-port 65535 \
                --cert "$work/cert.pem" --pkey "$work/key.pem" --userdb "$work/turndb" --pidfile "$work/turn.pid" \
                --no-stdout-log --log-file /dev/null > /dev/null 2>&1 &
            ;;
        floor)
            setsid taskset -c "$server_cpu" "$duologue" bench floor --listen "$udp" > /dev/null &
            ;;
        duologue | single-port)
            local mode=ports
            [ "$1" = duologue ] || mode=single-port
            cat > "$work/duologue.toml" << TOML
[server]
state_dir = "$work/state"
[http]
listen = ["127.0.0.1:0"]
tls_listen = []
[tls]
cert = "$work/cert.pem"
key = "$work/key.pem"
[turn]
udp_listen = ["$udp"]
tcp_listen = ["$udp"]
tls_listen = ["$tls"]
secrets = ["$secret"]
[relay]
mode = "$mode"
addresses = ["127.0.0.1"]
allow_peers = ["127.0.0.0/8"]
port_range = "40000-65535"
shards = 1
[relay.limits]
bytes_per_second = 0
packets_per_second = 0
total_bytes_per_second = 0
[limits]
exempt = ["127.0.0.0/8"]
[log]
level = "warn"
TOML
            setsid taskset -c "$server_cpu" "$duologue" serve --config "$work/duologue.toml" > /dev/null 2> "$work/log" &
            ;;
    esac
    server_pid=$!
    prefer "$server_pid"
    # It is there when it answers.
    for _ in $(seq 100); do
        if "$duologue" bench binding --server "$udp" --allocations 1 --rate 100 --duration 20ms --warm-up 20ms --json \
            2> /dev/null | grep -q '"received":[1-9]'; then
            return
        fi
        [ "$1" != floor ] || ! kill -0 "$server_pid" || return 0
        sleep 0.1
    done
    echo "$1 does not answer" >&2
    cat "$work/log" >&2 2> /dev/null || true
    exit 1
}

stop_server() {
    [ -n "$server_pid" ] || return 0
    kill -KILL "$server_pid" 2> /dev/null || true
    wait "$server_pid" 2> /dev/null || true
    server_pid=""
}

# measure ROUND ROW SERVER LOAD...
measure() {
    local round="$1" row="$2" server="$3"
    shift 3
    start_server "$server"
    local address="$udp"
    [[ " $* " != *" tls "* ]] || address="$tls"
    DUOLOGUE_BENCH_SECRET="$secret" setsid taskset -c "$load_cpu" "$duologue" bench "$@" --server "$address" \
        --server-pid "$server_pid" --cpu "$load_cpu" --duration "$duration" --json > "$work/report" 2> "$work/why" &
    load_pid=$!
    prefer "$load_pid"
    if wait "$load_pid"; then
        printf '{"round":%d,"row":"%s","server":"%s","report":%s}\n' "$round" "$row" "$server" "$(cat "$work/report")" \
            >> "$results"
    else
        echo "$row at $server: $(cat "$work/why")" >&2
    fi
    load_pid=""
    stop_server
}

for round in $(seq "$rounds"); do
    for line in "${rows[@]}"; do
        IFS='|' read -r row servers load <<< "$line"
        [ "${#wanted[@]}" -eq 0 ] || [[ " ${wanted[*]} " == *" $row "* ]] || continue
        echo "round $round: $row" >&2
        for server in $servers; do
            # shellcheck disable=SC2086
            measure "$round" "$row" "$server" $load
        done
    done
done
echo "$results" >&2
python3 benches/table.py "$results"
