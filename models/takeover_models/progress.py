"""Whether a pair comes back to where it should be once everything is mended.

Safety alone is cheap: a pair that does nothing has it. So at the end of a run everything is mended, and then there is
one of two ends. Either one server serves, everything it logged is acknowledged and on its peer, and the witness knows
the peer as eligible. Or the server that led last came back as one that was active, and its peer may not succeed it:
then nobody becomes active by itself (REJOIN-3), and the pair waits for a person. Any third end is a finding.

The channel is broken once on the way. What is lost while it stays up is said again, but for the pieces of a copy: a
receiver that lacks one gives the copy up, and closes the connection.
"""

from __future__ import annotations

from takeover_models.findings import NoProgress, PropertyBroken
from takeover_models.server_host import ServerHost
from takeover_models.witness_host import WitnessHost

RECOVERY_MS = 6_000
"""How long a mended pair under load may take, in milliseconds of true time."""

REST_MS = 1_000
"""And how long without load, so that nothing is under way any more."""


def wholly_recovered(servers: tuple[ServerHost, ServerHost], witness: WitnessHost) -> bool:
    """Whether the pair serves and is whole; False if it waits for a person. Raises `NoProgress`."""
    leading = [server for server in servers if server.leads]
    if not leading:
        _may_wait_for_a_person(servers, witness)
        return False
    if len(leading) > 1:
        raise NoProgress("both servers lead")
    (active,) = leading
    passive = servers[1 - active.index]
    whole = {
        "the active server holds the public identity": active.holds_identity,
        "its applications run": active.serving,
        "all that it logged is acknowledged": active.running
        and active.account.know.acknowledged >= active.image.logged - _none_logged(active),
        "the passive server has the same data": passive.image.data == active.image.data,
        "the witness knows it as eligible": witness.durable.eligible,
    }
    missing = [what for what, holds in whole.items() if not holds]
    if missing:
        raise NoProgress(f"the {active.party} is active, but it is not so that {', or that '.join(missing)}")
    return True


def _none_logged(active: ServerHost) -> int:
    """What its count of acknowledged updates lacks while there was nothing to acknowledge."""
    know = active.image.know
    return know.applied if know.logged == know.applied else 0


def _may_wait_for_a_person(servers: tuple[ServerHost, ServerHost], witness: WitnessHost) -> None:
    last = servers[witness.durable.holder]
    if last.image.know.released == witness.durable.epoch >= 1:
        raise PropertyBroken(
            "switchover-settles",
            f"nobody is active, though the {last.party} released epoch {witness.durable.epoch}",
        )
    if not last.image.know.returned or witness.durable.eligible:
        raise NoProgress(
            f"nobody is active, though the {last.party}, which the witness has as holder of epoch "
            f"{witness.durable.epoch}, was not active, or its peer may succeed it"
        )
