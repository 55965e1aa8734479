"""What a server's shell does by itself: it carries out, ships, copies, applies, and finds that it is idle.

Each function does one thing at most and says whether it did. They are the shell's side of the events that
`takeover.core.events` does not get from a message; a server that is not ready does nothing.
"""

from __future__ import annotations

from takeover.core import events as ev
from takeover_models.images import Queued
from takeover_models.server_host import ServerHost
from takeover_models.shells import EAGER
from takeover_spec.words import Status


def offer(server: ServerHost, queued: Queued) -> bool:
    """An application of this server wants something done; whether there is an application."""
    if not (server.serving and server.running):
        return False
    server.offers.append(queued)
    return True


def intercept(server: ServerHost) -> bool:
    """Let an application's operation through to the core, unless a copy is being taken."""
    if not (server.offers and server.ready) or server.copying:
        return False
    before = len(server.offers)
    server.step(ev.Intercepted())
    if server.ready and len(server.offers) == before:
        server.offers.popleft()  # refused: it was not logged, and nothing is done about it
    return True


def carry_out(server: ServerHost) -> bool:
    """Carry the next logged update out."""
    if not (server.leads and server.ready):
        return False
    seq = server.image.to_carry_out()
    if seq is None:
        return False
    image, status = server.image.carried_out(seq)
    server.disk.write(image)
    if server.around.setup.shell == EAGER:
        server.disk.sync()
    server.truth.changed(server, wholly=False)
    server.step(ev.CarriedOut(seq, status))
    return True


def ship(server: ServerHost) -> bool:
    """Send the peer what it has not been sent of the unsafe queue."""
    if not (server.shipping and server.leads and server.ready):
        return False
    if not server.around.network.connected:
        server.shipping = None
        return False
    messages = server.shipping.next_messages(server.image, server.leads)
    for message in messages:
        server.say(message)
    return bool(messages)


def copy(server: ServerHost) -> bool:
    """Take the copy that was asked for, after everything logged was carried out."""
    if not (server.copying and server.ready):
        return False
    while carry_out(server):
        pass
    if not server.ready:
        return True
    server.copying = False
    server.step(ev.CopyTaken(len(server.image.data.history)))
    return True


def apply(server: ServerHost) -> bool:
    """Tell the core that the first update of the safe queue is at hand, with its status."""
    safe = server.image.safe
    if not (safe and server.ready):
        return False
    seq = min(safe)
    if safe[seq].status is Status.NONE:
        return False
    if server.around.network.now_ns < server.busy_until_ns:
        return False
    return server.step(ev.NextInQueue(seq, safe[seq].status))


def state(server: ServerHost) -> bool:
    """Tell the core that what it asked for is done: the applications are stopped, or the loss statement is written."""
    if server.winding_down and server.ready:
        server.winding_down = False
        server.step(ev.WoundDown())
        return True
    if not (server.stated and server.ready):
        return False
    stated, server.stated = server.stated, None
    server.step(stated)
    return True


def idle(server: ServerHost) -> bool:
    """There is nothing else to do."""
    return server.ready and server.step(ev.Paused())


WORK = (copy, intercept, carry_out, ship, apply, state)
"""In the order in which a shell does them."""


def next_work(server: ServerHost, first: int = 0) -> bool:
    """The first of these that there is to do, looking from the one of this number on."""
    first %= len(WORK)
    return server.ready and any(do(server) for do in (*WORK[first:], *WORK[:first]))
