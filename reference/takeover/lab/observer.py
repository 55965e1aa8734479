"""The observer of the lab: it asks every machine, all the time, whether it answers for the public address.

    python -m takeover.lab.observer --address A --port N --asker A [--ipv6 A --asker-ipv6 A] --plug PORT=MACHINE,MAC ...

It trusts nobody: it is a process of its own in the lab's namespace, sends each question on the machine's own cable,
and hears the answer there, before the bridge and whatever is cut on it. So a server that is cut off is watched like
any other, no machine can hide behind another, and an answer belongs to the machine on whose cable it came, whatever
it says of itself.

`RATE_HZ` times a second it asks each machine by ARP (and neighbour discovery, if there is a public IPv6 address)
and with a SYN to the served port. It writes a line of JSON to its standard output when a machine begins to answer,
and one when two were seen to hold at once; at SIGTERM, or the end of its input, the whole observation. `sightings`
says what is judged.

What complicates it:
- Ports come and go with their machines. One that is not there is looked for in every round. The kernel takes its time
  to close the line to one that has gone, so that is left to a thread.
- Frames are sent past the port's queue and filters (PACKET_QDISC_BYPASS).
- It may be starved itself. An answer's time is then less sharp, and the judgement more careful. So it is started with
  real-time priority where the machine allows it (`priority`), and tells when it did not look (`looking`).
"""

from __future__ import annotations

import argparse
import json
import selectors
import signal
import socket
import sys
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

from takeover.lab.looking import gaps_and_seconds
from takeover.lab.probes import (
    TAGS,
    Asked,
    answer_in,
    arp_probe,
    attach_filter,
    neighbour_probe,
    tcp_probe,
)
from takeover.lab.sightings import Sightings, changes, holders_max
from takeover.linux import NANOSECONDS, boottime_ns

RATE_HZ = 250
"""Rounds of questions per second; at least 200 are wanted, and a busy machine misses a few."""

BLINK_NS = 30_000_000
"""A silence shorter than this is not told as a change, for a few lost frames are none. It does not enter the
judgement."""

_ETH_ALL = 3
_SOL_PACKET, _PACKET_QDISC_BYPASS, _PACKET_IGNORE_OUTGOING = 263, 20, 23
_FRAME_BYTES = 2048
_JUDGED_EVERY_NS = NANOSECONDS // 2


@dataclass(slots=True)
class Watched:
    """A machine's port, and the line to it while it is there."""

    port: str
    machine: str
    mac: bytes
    """The machine's own, to which a SYN is addressed."""
    line: socket.socket | None = None
    own_mac: bytes = b""


class Observer:
    """Asks, listens and keeps account. Run it with `run` until `stop`."""

    def __init__(self, asked: Asked, watched: Sequence[Watched]) -> None:
        self._asked = asked
        self._watched = watched
        self._ready = selectors.DefaultSelector()
        self._sightings = Sightings()
        self._round = 0
        self._sent: dict[tuple[str, str, int], tuple[int, int]] = {}
        self._looks = array("q")
        self._closing = ThreadPoolExecutor(1)
        self._told_two = False
        self._stopping = False

    def stop(self, *_: object) -> None:
        """End after this round."""
        self._stopping = True

    def run(self) -> None:
        """Observe until `stop`, then tell everything."""
        began = boottime_ns()
        period, due, judged = NANOSECONDS // RATE_HZ, began, began
        tell({"event": "began", "t": began})
        while not self._stopping:
            now = boottime_ns()
            self._looks.append(now)
            self._ask()
            due = max(due + period, now)
            self._listen(due)
            if now - judged > _JUDGED_EVERY_NS:
                judged = now
                self._judge()
        self._looks.append(boottime_ns())
        self._judge()
        runs = self._sightings.runs
        most, when = holders_max(runs)
        gaps, per_second = gaps_and_seconds(self._looks)
        tell(
            {
                "event": "ended",
                "t": boottime_ns(),
                "samples": self._round,
                "holders_max": most,
                "holders_max_at": when,
                "changes": changes(runs, began, BLINK_NS),
                "gap_ns_max": max(then - at for at, then in pairwise(self._looks)),
                "gaps": gaps,
                "per_second": per_second,
            }
        )

    def _ask(self) -> None:
        self._round += 1
        tag = self._round % TAGS
        for watched in self._watched:
            line = watched.line or self._open(watched)
            if line is None:
                continue
            questions = {
                "arp": arp_probe(self._asked, watched.own_mac, tag),
                "tcp": tcp_probe(self._asked, watched.own_mac, watched.mac, tag),
            }
            if self._asked.address_ipv6 is not None:
                questions["ndp"] = neighbour_probe(self._asked, watched.own_mac, tag)
            for kind, frame in questions.items():
                self._sent[watched.machine, kind, tag] = self._round, boottime_ns()
                self._send(watched, frame)
            self._hear(watched)

    def _listen(self, until: int) -> None:
        """Take answers until a time."""
        while (left_ns := until - boottime_ns()) > 0:
            for key, _ in self._ready.select(left_ns / NANOSECONDS):
                self._hear(key.data)
            if self._stopping:
                return

    def _hear(self, watched: Watched) -> None:
        while watched.line is not None:
            try:
                frame = watched.line.recv(_FRAME_BYTES)
            except BlockingIOError:
                return
            except OSError:
                self._close(watched)
                return
            heard = boottime_ns()
            answer = answer_in(frame, self._asked)
            if answer is None:
                continue
            if answer.reply:
                self._send(watched, answer.reply)
            question = self._sent.get((watched.machine, answer.kind, answer.tag))
            if question is not None and self._sightings.add(watched.machine, answer.kind, *question, heard):
                tell({"event": "answers", "t": heard, "machine": watched.machine, "kind": answer.kind})

    def _judge(self) -> None:
        """Tell of two holders as soon as they are sure."""
        recent = [
            run for run in self._sightings.runs if run.last_heard > boottime_ns() - 4 * _JUDGED_EVERY_NS
        ]
        most, when = holders_max(recent)
        if most > 1 and not self._told_two:
            self._told_two = True
            tell({"event": "two", "t": when, "holders": most})

    def _send(self, watched: Watched, frame: bytes) -> None:
        if watched.line is not None:
            try:
                watched.line.send(frame)
            except BlockingIOError:
                pass  # a probe that was not sent is one that was not answered
            except OSError:
                self._close(watched)

    def _open(self, watched: Watched) -> socket.socket | None:
        try:
            socket.if_nametoindex(watched.port)
        except OSError:
            return None
        line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            attach_filter(line, self._asked)
            line.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
            line.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            line.setblocking(False)
            line.bind((watched.port, _ETH_ALL))
        except OSError:
            line.close()  # it has just gone again
            return None
        watched.own_mac = line.getsockname()[4]
        watched.line = line
        self._ready.register(line, selectors.EVENT_READ, watched)
        return line

    def _close(self, watched: Watched) -> None:
        if watched.line is not None:
            self._ready.unregister(watched.line)
            self._closing.submit(watched.line.close)
            watched.line = None


def tell(words: dict[str, object]) -> None:
    """A line for the lab."""
    print(json.dumps(words), flush=True)


def _plug(text: str) -> Watched:
    port, _, rest = text.partition("=")
    machine, _, mac = rest.partition(",")
    return Watched(port, machine, bytes.fromhex(mac.replace(":", "")))


def main(words: Sequence[str] | None = None) -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="takeover.lab.observer")
    parser.add_argument("--address", type=IPv4Address, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--asker", type=IPv4Address, required=True)
    parser.add_argument("--ipv6", type=IPv6Address)
    parser.add_argument("--asker-ipv6", type=IPv6Address)
    parser.add_argument("--plug", type=_plug, action="append", required=True)
    options = parser.parse_args(words)
    asked = Asked(options.address, options.port, options.asker, options.ipv6, options.asker_ipv6)
    observer = Observer(asked, options.plug)
    signal.signal(signal.SIGTERM, observer.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    observer.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
