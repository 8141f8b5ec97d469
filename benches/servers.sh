# Starts and ends the servers that the measurements compare, and the load. Sourced by peers.sh, moderation.sh and soak.sh.
#
# The server runs on core SERVER_CPU (0), the load on core LOAD_CPU (1), one relay thread each. Meanwhile a spinner of the
# idle class, which gives way to everything, keeps the server's core from being halted: on a virtual machine waking it takes
# 10 to 20 ms, and the slowest percent of packets would show only that. It ends with the script.
#
#   TURNSERVER=/path TURNSERVER_2=/path   coturn, and another one beside it; columns are named by their versions
#   DUOLOGUE_BIN=/path                    else the release is built

server_cpu="${SERVER_CPU:-0}"
load_cpu="${LOAD_CPU:-1}"
duologue="${DUOLOGUE_BIN:-$PWD/target/release/duologue}"
secret="a secret of the benches alone"
udp=127.0.0.1:33478
tls=127.0.0.1:35349
server_pid=""
load_pid=""
spinner_pid=""
rival_pid=""

# Fails with a message if a program is missing.
need() {
    for tool in "$@"; do
        command -v "$tool" > /dev/null || { echo "$tool is missing: scripts/setup-system installs it" >&2; exit 1; }
    done
}

# All coturns by name: "coturn-4.6.1 coturn-4.17.1".
declare -A turnserver_by_name=()
coturns=()
for path in "${TURNSERVER:-turnserver}" "${TURNSERVER_2:-}"; do
    [ -n "$path" ] || continue
    need "$path"
    name="coturn-$("$path" --version | tail -1)"
    turnserver_by_name["$name"]="$path"
    coturns+=("$name")
done

# prepare: everything that servers and load need; sets work, a directory that ends with the script.
prepare() {
    need openssl taskset setsid chrt python3
    [ -n "${DUOLOGUE_BIN:-}" ] || cargo build --release --locked
    work="$(mktemp -d)"
    trap finish EXIT
    # Every allocation is a socket, and shells start with fewer files.
    ulimit -n "$(ulimit -Hn)"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -keyout "$work/key.pem" -out "$work/cert.pem" 2> /dev/null
    spin 19 chrt -i 0 &
    spinner_pid=$!
}

# spin NICE [COMMAND...]: keeps the server's core busy until it is killed, started by COMMAND. Run in the background.
spin() {
    local nice="$1"
    shift
    # The inner loop makes no system call; the outer one ends it if this script was killed.
    # shellcheck disable=SC2016
    apart "$nice" "$@" taskset -c "$server_cpu" bash -c \
        'while kill -0 "$1"; do for ((i = 0; i < 100000; i++)); do :; done; done' spinner $$ 2> /dev/null
}

# halve_server: leaves the server that runs one half of its core, so that it is the limit and not the load.
halve_server() {
    spin -15 &
    rival_pid=$!
}

finish() {
    [ -z "$load_pid" ] || kill "$load_pid" 2> /dev/null || true
    [ -z "$spinner_pid" ] || kill "$spinner_pid" 2> /dev/null || true
    stop_server
    rm -rf "$work"
}

# apart NICE COMMAND...: becomes the command, in a session of its own: that has a priority of its own (sched_autogroup), which
# only root may raise. Run in the background, so that $! is the command's.
apart() {
    # shellcheck disable=SC2016
    exec setsid bash -c '{ echo "$1" > /proc/self/autogroup; } 2> /dev/null; shift; exec "$@"' apart "$@"
}

# start_server NAME [MICROSECONDS]: a coturn, floor, duologue, single-port, or unmoderated; else the relay.moderation_us.
start_server() {
    case "$1" in
        coturn-*) start_coturn "${turnserver_by_name[$1]}" ;;
        floor) apart -15 taskset -c "$server_cpu" "$duologue" bench floor --listen "$udp" > /dev/null & ;;
        duologue) start_duologue ports "${2:-}" ;;
        single-port) start_duologue single-port "${2:-}" ;;
        unmoderated) start_duologue ports 0 ;;
    esac
    server_pid=$!
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

start_coturn() {
    local no_cli=()
    # Newer ones have it off, and do not know the option.
    [[ "$("$1" --help 2>&1)" != *--no-cli* ]] || no_cli=(--no-cli)
    apart -15 taskset -c "$server_cpu" "$1" -n "${no_cli[@]}" --no-dtls \
        --use-auth-secret --static-auth-secret "$secret" --realm r --relay-threads 1 \
        --allow-loopback-peers --no-multicast-peers --listening-ip 127.0.0.1 --relay-ip 127.0.0.1 \
        --listening-port "${udp##*:}" --tls-listening-port "${tls##*:}" --min-port 40000 --max-port 65535 \
        --cert "$work/cert.pem" --pkey "$work/key.pem" --userdb "$work/turndb" --pidfile "$work/turn.pid" \
        --no-stdout-log --log-file /dev/null > "$work/log" 2>&1 &
}

# start_duologue MODE [MICROSECONDS]
start_duologue() {
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
mode = "$1"
addresses = ["127.0.0.1"]
allow_peers = ["127.0.0.0/8"]
port_range = "40000-65535"
shards = 1
${2:+moderation_us = $2}
[relay.limits]
bytes_per_second = 0
packets_per_second = 0
total_bytes_per_second = 0
[limits]
exempt = ["127.0.0.0/8"]
[log]
level = "warn"
TOML
    apart -15 taskset -c "$server_cpu" "$duologue" serve --config "$work/duologue.toml" > /dev/null 2> "$work/log" &
}

stop_server() {
    if [ -n "$rival_pid" ]; then
        kill "$rival_pid" 2> /dev/null || true
        wait "$rival_pid" 2> /dev/null || true
        rival_pid=""
    fi
    [ -n "$server_pid" ] || return 0
    kill -KILL "$server_pid" 2> /dev/null || true
    wait "$server_pid" 2> /dev/null || true
    server_pid=""
}

# load ARGUMENT...: `duologue bench` on the server that runs; the report is in $work/report. Fails if the load does.
load() {
    local address="$udp"
    [[ " $* " != *" tls "* ]] || address="$tls"
    DUOLOGUE_BENCH_SECRET="$secret" apart -15 taskset -c "$load_cpu" "$duologue" bench "$@" --server "$address" \
        --server-pid "$server_pid" --cpu "$load_cpu" --json > "$work/report" 2> "$work/why" &
    load_pid=$!
    local code=0
    wait "$load_pid" || code=$?
    load_pid=""
    return "$code"
}

# measure FILE ROUND ROW COLUMN ARGUMENT...: one load on the server that runs, as a line of JSON.
measure() {
    local file="$1" round="$2" row="$3" column="$4"
    shift 4
    if load "$@"; then
        printf '{"round":%d,"row":"%s","server":"%s","report":%s}\n' "$round" "$row" "$column" "$(cat "$work/report")" \
            >> "$file"
    else
        echo "$row at $column: $(cat "$work/why")" >&2
    fi
}
