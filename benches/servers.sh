# Starts and ends the servers that the measurements compare, and the load. Sourced by peers.sh, moderation.sh and soak.sh.
#
# benches/cores.sh says which cores they have; one relay thread each.
#
#   TURNSERVER=/path TURNSERVER_2=/path   coturn, and another one beside it; columns are named by their versions

# shellcheck source=benches/cores.sh
. benches/cores.sh
udp=127.0.0.1:33478
tls=127.0.0.1:35349

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
    prepare_cores "$server_cpu"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -keyout "$work/key.pem" -out "$work/cert.pem" 2> /dev/null
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

# load ARGUMENT...: `duologue bench` on the server that runs; the report is in $work/report. Fails if the load does.
load() {
    local address="$udp"
    [[ " $* " != *" tls "* ]] || address="$tls"
    DUOLOGUE_BENCH_SECRET="$secret" run_load bench "$@" --server "$address"
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
