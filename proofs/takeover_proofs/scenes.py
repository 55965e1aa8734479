"""Scenes: short sequences of moves that many runs begin with or are made of.

A move says who does what kind of thing; what is said and when is for the search to choose. Server 0 leads first.
"""

from __future__ import annotations

from takeover_proofs.search import Move
from takeover_proofs.transition import Tick
from takeover_proofs.world import NATURE, WITNESS
from takeover_spec import actions as act
from takeover_spec.words import Identity

Scene = tuple[Move, ...]


def server(which: int, *kinds: type) -> Scene:
    """A server does these."""
    return tuple(Move(kind, which) for kind in kinds)


def witness(*kinds: type) -> Scene:
    """The witness does these."""
    return tuple(Move(kind, WITNESS) for kind in kinds)


def granted(to: int) -> Scene:
    """The witness grants to this server."""
    return (Move(act.Grant, WITNESS, Identity(to)),)


def zero(*kinds: type) -> Scene:
    """Server 0 does these."""
    return server(0, *kinds)


def one(*kinds: type) -> Scene:
    """Server 1 does these."""
    return server(1, *kinds)


RECORDED: Scene = (Move(act.HearRecorded, 0),)
"""Server 0 hears what the witness has recorded of server 1."""

TIME: Scene = (Move(Tick, NATURE),)
"""Time passes."""


def takes(which: int) -> Scene:
    """A server is granted the next epoch, ends its drain and takes the role."""
    return granted(which) + server(which, act.CountLease, act.Discard, act.TakeRole)


def serves(which: int) -> Scene:
    """A server that has the role shows itself and intercepts updates."""
    return server(which, act.Enable, act.StartInterception)


def joins(which: int) -> Scene:
    """A passive server gets a copy of the data, reports, and is declared and recorded as eligible."""
    peer = 1 - which
    copied = server(peer, act.Copy) + server(which, act.Resynchronise, act.ReportSafe)
    return copied + server(peer, act.HearSafe, act.Declare) + witness(act.Record)


def rejoins(which: int) -> Scene:
    """A server that was active sets its unsafe queue aside, and joins as a passive one."""
    first, *rest = joins(which)
    return (first, *server(which, act.SetAside), *rest)


def stores(which: int) -> Scene:
    """A passive server gets an update and its completion status."""
    return server(which, act.Store, act.StoreStatus)


LEADS = takes(0) + joins(1)
"""Server 0 has the role of epoch 1, and server 1 may take over from it."""

SERVES = takes(0) + serves(0) + joins(1)
"""The same, and server 0 serves."""

WRITES = zero(act.Log, act.CarryOut)
"""Server 0 logs an update and carries it out."""

REPORTED = one(act.ReportSafe) + zero(act.HearSafe, act.Acknowledge)
"""Server 1 reports what is safe, and server 0 acknowledges it."""

FAILOVER = TIME + takes(1)
"""What server 1 needs to take over: a cast, as the order is the search's."""

RECEIVES = one(act.Store, act.StoreStatus, act.Apply)
"""What server 1 does with updates."""

SHOWN = LEADS + zero(act.Enable)
"""Server 0 holds the public identity, and server 1 may take over from it."""

PROMISED = TIME + one(act.Promise) + zero(act.CountPromise)
"""Server 0 also counts on server 1's promise."""

DRAINS = TIME + granted(1) + one(act.CountLease, act.Discard)
"""Server 1 is granted the next epoch, and ends its drain."""

RELEASED = SERVES + RECORDED + zero(act.StopApplications, act.Disable, act.Release)
"""Server 0 serves, and then hands the role over."""

ORDERED = zero(act.Promote) + granted(0) + zero(act.CountLease, act.TakeRole)
"""Server 0 is promoted, is granted the next epoch and takes it: a cast."""

SHOWS = one(act.Enable) + zero(act.Enable)
"""Either server shows itself."""
