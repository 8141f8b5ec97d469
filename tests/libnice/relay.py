"""Lets two agents of libnice, the ICE library of GStreamer and GNOME, reach each other through a TURN server only.

usage: relay.py HOST PORT udp|tcp USERNAME PASSWORD

Both agents are forced to relay, and carry a byte stream in libnice's own pseudo-TCP, each way. Exits 0 when every byte
arrived and the selected pair is relayed on both sides, else says what is missing. Needs Debian's python3-gi and
gir1.2-nice-0.1. What libnice calls TURN over TLS is a greeting of another company's, without TLS; it is not tried.
"""

import sys

import gi

gi.require_version("Nice", "0.1")
from gi.repository import GLib, Nice  # noqa: E402

STREAM_BYTES = 300_000
WRITE_BYTES = 4_099
LIMIT_S = 30
COMPONENT = 1
RELAYS = {"udp": Nice.RelayType.UDP, "tcp": Nice.RelayType.TCP}
RELAYED = Nice.CandidateType.RELAYED


class Agent:
    """One side of the call."""

    def __init__(self, name, server):
        host, port, kind, username, password = server
        self.name = name
        self.received = bytearray()
        self.pair = None
        self.is_gathered = False
        self.is_ready = False
        self.sent = bytes((len(name) + offset * 7) % 251 for offset in range(STREAM_BYTES))
        self.unsent = self.sent
        self.agent = Nice.Agent.new_reliable(GLib.MainContext.default(), Nice.Compatibility.RFC5245)
        self.agent.set_property("controlling-mode", name == "caller")
        self.agent.set_property("force-relay", True)
        self.agent.set_property("upnp", False)
        self.agent.set_property("ice-tcp", False)
        local = Nice.Address.new()
        local.set_from_string("127.0.0.1")
        self.agent.add_local_address(local)
        self.stream = self.agent.add_stream(1)
        self.agent.set_stream_name(self.stream, "application")
        self.agent.set_relay_info(self.stream, COMPONENT, host, int(port), username, password, RELAYS[kind])
        self.agent.connect("candidate-gathering-done", self.on_gathered)
        self.agent.connect("component-state-changed", self.on_state)
        self.agent.connect("new-selected-pair-full", self.on_pair)
        self.io_stream = self.agent.get_io_stream(self.stream, COMPONENT)
        # From the beginning: who does not read gets no answer of the server either.
        self.read(self.io_stream.get_input_stream())
        if not self.agent.gather_candidates(self.stream):
            sys.exit(f"{name} cannot gather candidates")

    def on_gathered(self, _agent, _stream):
        self.is_gathered = True

    def on_state(self, _agent, _stream, _component, state):
        self.is_ready = state == Nice.ComponentState.READY

    def on_pair(self, _agent, _stream, _component, local, remote):
        self.pair = (local.type, remote.type)

    def talk(self):
        """Starts to write; the main loop does the rest."""
        self.write(self.io_stream.get_output_stream())

    def write(self, out, result=None):
        if result is not None:
            self.unsent = self.unsent[out.write_bytes_finish(result) :]
        if self.unsent:
            chunk = GLib.Bytes.new(self.unsent[:WRITE_BYTES])
            out.write_bytes_async(chunk, GLib.PRIORITY_DEFAULT, None, self.write)

    def read(self, source, result=None):
        if result is not None:
            self.received += source.read_bytes_finish(result).get_data()
        # Also when all is here: who does not read is not told either what the other side has got.
        source.read_bytes_async(65_536, GLib.PRIORITY_DEFAULT, None, self.read)


def wait(what, condition):
    """Runs the main loop until the condition holds."""
    context = GLib.MainContext.default()
    end = GLib.get_monotonic_time() + LIMIT_S * 1_000_000
    # Wakes the loop, so that the end is noticed even when nothing happens.
    tick = GLib.timeout_add(100, lambda: True)
    while not condition():
        if GLib.get_monotonic_time() > end:
            sys.exit(f"not within {LIMIT_S} s: {what}")
        context.iteration(True)
    GLib.source_remove(tick)


def main():
    caller, callee = agents = [Agent(name, sys.argv[1:6]) for name in ("caller", "callee")]
    wait("candidates", lambda: all(agent.is_gathered for agent in agents))
    caller_sdp, callee_sdp = (agent.agent.generate_local_sdp() for agent in agents)
    for sdp in (caller_sdp, callee_sdp):
        if " typ relay" not in sdp or " typ host" in sdp:
            sys.exit(f"not relayed candidates only: {sdp}")
    caller.agent.parse_remote_sdp(callee_sdp)
    callee.agent.parse_remote_sdp(caller_sdp)
    wait("ready", lambda: all(agent.is_ready for agent in agents))
    for agent in agents:
        if agent.pair != (RELAYED, RELAYED):
            sys.exit(f"{agent.name} chose {agent.pair}")
        agent.talk()
    wait("every byte", lambda: all(len(agent.received) >= STREAM_BYTES for agent in agents))
    if bytes(caller.received) != callee.sent or bytes(callee.received) != caller.sent:
        sys.exit("the bytes differ from what was sent")
    print(f"{sys.argv[3]}: {2 * STREAM_BYTES} bytes between two agents")


main()
