# Starts and ends the program on one core and the load on another. Sourced by servers.sh and signaling.sh.
#
# The server runs on core SERVER_CPU (0), the load on core LOAD_CPU (1). Meanwhile a spinner of the idle class, which gives way
# to everything, keeps a core from being halted: on a virtual machine waking it takes 10 to 20 ms, and the slowest percent
# would show only that. It ends with the script.
#
#   DUOLOGUE_BIN=/path    else the release is built

server_cpu="${SERVER_CPU:-0}"
load_cpu="${LOAD_CPU:-1}"
duologue="${DUOLOGUE_BIN:-$PWD/target/release/duologue}"
secret="a secret of the benches alone"
server_pid=""
load_pid=""
spinner_pids=()
rival_pid=""

# Fails with a message if a program is missing.
need() {
    for tool in "$@"; do
        command -v "$tool" > /dev/null || { echo "$tool is missing: scripts/setup-system installs it" >&2; exit 1; }
    done
}

# prepare_cores CPU...: sets work, a directory that ends with the script, and keeps these cores awake.
prepare_cores() {
    need openssl taskset setsid chrt python3
    [ -n "${DUOLOGUE_BIN:-}" ] || cargo build --release --locked
    work="$(mktemp -d)"
    trap finish EXIT
    # Every client is a file on either side, and shells start with fewer.
    ulimit -n "$(ulimit -Hn)"
    for cpu in "$@"; do
        spin "$cpu" 19 chrt -i 0 &
        spinner_pids+=("$!")
    done
}

# spin CPU NICE [COMMAND...]: keeps a core busy until it is killed, started by COMMAND. Run in the background.
spin() {
    local cpu="$1" nice="$2"
    shift 2
    # The inner loop makes no system call; the outer one ends it if this script was killed.
    # shellcheck disable=SC2016
    apart "$nice" "$@" taskset -c "$cpu" bash -c \
        'while kill -0 "$1"; do for ((i = 0; i < 100000; i++)); do :; done; done' spinner $$ 2> /dev/null
}

# halve_server: leaves the server that runs one half of its core, so that it is the limit and not the load.
halve_server() {
    spin "$server_cpu" -15 &
    rival_pid=$!
}

finish() {
    [ -z "$load_pid" ] || kill "$load_pid" 2> /dev/null || true
    for pid in "${spinner_pids[@]}"; do
        kill "$pid" 2> /dev/null || true
    done
    stop_server
    rm -rf "$work"
}

# apart NICE COMMAND...: becomes the command, in a session of its own: that has a priority of its own (sched_autogroup), which
# only root may raise. Run in the background, so that $! is the command's.
apart() {
    # shellcheck disable=SC2016
    exec setsid bash -c '{ echo "$1" > /proc/self/autogroup; } 2> /dev/null; shift; exec "$@"' apart "$@"
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

# run_load COMMAND...: the program's bench or load on the server that runs; the report is in $work/report. Fails if it does.
run_load() {
    apart -15 taskset -c "$load_cpu" "$duologue" "$@" --server-pid "$server_pid" --cpu "$load_cpu" --json \
        > "$work/report" 2> "$work/why" &
    load_pid=$!
    local code=0
    wait "$load_pid" || code=$?
    load_pid=""
    return "$code"
}
