"""When a server's shell makes durable what it wrote: the three ways that are sound, and one that is not.

The eager shell syncs after every effect. The lazy one syncs before a message is sent, before an acknowledgement, and
before the public identity is enabled: what clients may see must not be lost either. The hasty one is made like the
reference server's: its state is a file of its own and saved at once, its queues and the data are synced when a message
or an acknowledgement speaks of them, and grants wait for nothing.

The lax one syncs before messages and acknowledgements only. After a power cut it may have forgotten a takeover that
clients have seen, and take over again with an update that was given up. It is here to be caught.
"""

from __future__ import annotations

from takeover_models.images import Disk
from takeover_spec import actions as act
from takeover_spec import wire

EAGER, LAZY, HASTY, LAX = range(4)

SOUND = (EAGER, LAZY, HASTY)
"""The shells under which the properties hold."""

_WAIT_FOR_NOTHING = (wire.AskPromise, wire.Promised, wire.Newer, wire.AskLease, wire.Goodbye)
"""What the hasty shell sends without a sync: it speaks of grants and of the state, which is saved."""

_WHOLE = (act.Discard, act.TakeRole, act.SetAside, act.Resynchronise)
"""The hasty shell syncs everything when it does one of these: they change what the queues are of."""

_SYNCED: dict[int, tuple[type, ...]] = {LAZY: (act.Enable,), HASTY: _WHOLE, LAX: ()}
"""What each shell syncs for, besides messages and acknowledgements."""

_STATE = (
    act.Start, act.Promise, act.HearEpoch, act.HearGoodbye, act.HearReturn, act.StepDown, act.Release, act.HearRelease,
)  # fmt: skip
"""The hasty shell saves the state when it does one of these."""


def syncs_before(shell: int, message: wire.Message) -> bool:
    """Whether everything is made durable before this message is sent."""
    return shell != HASTY or not isinstance(message, _WAIT_FOR_NOTHING)


def syncs_after(shell: int, action: act.ServerAction) -> bool:
    """Whether everything is made durable when this action is done, and before anybody outside sees it."""
    if shell == EAGER or isinstance(action, act.Acknowledge):
        return True
    return isinstance(action, _SYNCED[shell])


def save_state(shell: int, action: act.ServerAction, disk: Disk) -> None:
    """Save the state by itself, where the shell does that for this action."""
    if shell == HASTY and isinstance(action, _STATE):
        disk.save_state()
