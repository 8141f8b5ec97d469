"""Relays datagrams through a TURN server with aioice as the client.

usage: relay.py HOST PORT udp|tcp|tls USERNAME PASSWORD

Two clients allocate. Each sends to an ordinary loopback peer that echoes, then they send to each other's relayed
address. Exits 0 when every datagram came back intact, else says what is missing.
"""

import asyncio
import ssl
import sys

from aioice import turn

DATAGRAMS = 100
TIMEOUT_S = 20
SIZES = [1, 2, 3, 4, 160, 1200]


class Collector(asyncio.DatagramProtocol):
    """Keeps what arrives, and from where."""

    def __init__(self):
        self.received = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.received.put_nowait((data, addr))


class Echo(asyncio.DatagramProtocol):
    """Sends every datagram back."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


def payload(index):
    size = SIZES[index % len(SIZES)]
    return bytes((index + offset) % 256 for offset in range(size))


async def allocate(host, port, kind, username, password):
    context = None
    if kind == "tls":
        context = ssl.create_default_context()
        # The server's certificate is its own; what is judged here is the relay.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return await turn.create_turn_endpoint(
        Collector,
        server_addr=(host, port),
        username=username,
        password=password,
        lifetime=600,
        ssl=context if context is not None else False,
        transport="udp" if kind == "udp" else "tcp",
    )


async def expect(collector, count, source):
    got = []
    while len(got) < count:
        data, addr = await asyncio.wait_for(collector.received.get(), TIMEOUT_S)
        if addr != source:
            sys.exit(f"a datagram from {addr}, expected {source}")
        got.append(data)
    return got


async def main():
    host, port, kind, username, password = sys.argv[1:6]
    loop = asyncio.get_running_loop()
    echo, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    peer = echo.get_extra_info("sockname")
    a, a_in = await allocate(host, int(port), kind, username, password)
    b, b_in = await allocate(host, int(port), kind, username, password)
    sent = [payload(index) for index in range(DATAGRAMS)]

    for data in sent:
        a.sendto(data, peer)
        await asyncio.sleep(0.001)
    if await expect(a_in, DATAGRAMS, peer) != sent:
        sys.exit("the echoes differ from what was sent")

    a_addr, b_addr = a.get_extra_info("sockname"), b.get_extra_info("sockname")
    # Each side needs a permission for the other before the first datagram can pass.
    a.sendto(b"knock", b_addr)
    b.sendto(b"knock", a_addr)
    await asyncio.sleep(0.5)
    while not a_in.received.empty():
        a_in.received.get_nowait()
    while not b_in.received.empty():
        b_in.received.get_nowait()
    for data in sent:
        a.sendto(data, b_addr)
        b.sendto(data, a_addr)
        await asyncio.sleep(0.001)
    if await expect(b_in, DATAGRAMS, a_addr) != sent or await expect(a_in, DATAGRAMS, b_addr) != sent:
        sys.exit("the datagrams of the pair differ from what was sent")
    a.close()
    b.close()
    await asyncio.sleep(0.2)
    echo.close()
    print(f"{kind}: {DATAGRAMS} echoes, {2 * DATAGRAMS} datagrams between two clients")


asyncio.run(asyncio.wait_for(main(), 3 * TIMEOUT_S))
