"""The configuration files of a demonstration's parties, wherever they run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from takeover.commands.key_making import make_keys
from takeover.core.witness import NEW_PAIR
from takeover.demo.parties import Party
from takeover.endpoint import Endpoint
from takeover.witness.record import write_record

PAIR = "demo"
"""The name of the pair."""

PARTIES = ("witness", "primary", "secondary")
SERVERS = ("primary", "secondary")

WITNESSES = ("built-in", "etcd")
"""What the witness can be."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things last, in ms; `default_node.toml` says what each is."""

    lease_ms: int = 1_000
    promise_ms: int = 1_000
    beat_ms: int = 200
    patience_ms: int = 2_000
    expiry_slack_ms: int = 100
    drift_ppm: int = 1_000

    def of(self, **times: int) -> Timing:
        """The same with other times."""
        return replace(self, **times)

    @property
    def grant_ms(self) -> int:
        """The longer of the two grants."""
        return max(self.lease_ms, self.promise_ms)


@dataclass(frozen=True, slots=True)
class Places:
    """Who is where."""

    witness: Endpoint
    channel: Endpoint
    """Where the primary listens for the secondary."""
    dialled: Endpoint
    """Where the secondary believes that the primary listens."""
    applications: Mapping[str, Endpoint]
    """Where the application of each server listens."""
    public_identity: Mapping[str, str]
    """The lines of `[public_identity]`, for each server."""
    etcd: str = ""
    """The URL of the etcd that is the witness instead; empty if the witness is one of the parties."""


def write_configurations(
    directory: Path, parties: Mapping[str, Party], timing: Timing, places: Places, *, synchronous: bool
) -> None:
    """Write the file of each party, make keys in `directory`, and tell the witness that the pair is new.

    A witness in etcd has no file, and can be told only once it runs.
    """
    make_keys(directory / "keys", PAIR)
    mode = "synchronous" if synchronous else "asynchronous"
    for party in parties.values():
        if party.name != "witness" or not places.etcd:
            party.config.write_text(_file(party, mode, timing, places))
    if places.etcd:
        parties["witness"].data_directory.mkdir()
    else:
        write_record(parties["witness"].data_directory, NEW_PAIR)


def _file(party: Party, mode: str, timing: Timing, places: Places) -> str:
    """The file of a party."""
    grants = (
        f"[grants]\nlease_ms = {timing.lease_ms}\npromise_ms = {timing.promise_ms}\n"
        f"drift_ppm = {timing.drift_ppm}\nexpiry_slack_ms = {timing.expiry_slack_ms}\n"
    )
    directory, keys = (json.dumps(str(path.absolute())) for path in (party.data_directory, party.keys))
    common = f'pair = "{PAIR}"\nmode = "{mode}"\ndata_directory = {directory}\nkeys = {keys}\n'
    if party.name == "witness":
        return f'{common}listen = "{places.witness}"\n{grants}'
    application = places.applications[party.name]
    argv = [sys.executable, "-P", "-m", "takeover.demo.application", "--listen", str(application)]
    witness = f'etcd = ["{places.etcd}"]' if places.etcd else f'address = "{places.witness}"'
    channel = f'listen = "{places.channel}"' if party.name == "primary" else f'peer = "{places.dialled}"'
    return (
        f'{common}identity = "{party.name}"\n'
        f"{grants}beat_ms = {timing.beat_ms}\npatience_ms = {timing.patience_ms}\n"
        f"[channel]\n{channel}\n"
        f"[witness]\n{witness}\n"
        f"[public_identity]\n{places.public_identity[party.name]}"
        f'[[application]]\nname = "demo"\ncommand = {json.dumps(argv)}\nhealth = "{_reached(application)}"\n'
        "stop_timeout_ms = 2000\n"
    )


def _reached(listen: Endpoint) -> Endpoint:
    """Where something that listens there is reached from its own machine."""
    return Endpoint("127.0.0.1", listen.port) if listen.host == "0.0.0.0" else listen
