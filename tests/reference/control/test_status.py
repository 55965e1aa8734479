"""`takeover status`, against a control socket of the test's own."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from takeover.cli import Exit, main
from takeover.control.client import NotRunning, ask
from takeover.errors import EnvironmentFault, PeerError

SCHEMA = json.loads(files("takeover").joinpath("control", "status.schema.json").read_text())

STATUS: dict[str, Any] = {
    "identity": "primary",
    "pair": "db",
    "role": "active",
    "epoch": 3,
    "seen": 3,
    "applied": 10,
    "logged": 20,
    "stored": 10,
    "statuses": 10,
    "safe_upto": 18,
    "acknowledged": 17,
    "reported": 10,
    "eligible_declared": True,
    "alone": False,
    "public_identity": {"enabled": True, "until_ms": 840, "flaw": ""},
    "grants": {"lease_ms": 940, "promise_ms": 0, "given_ms": 0, "longest_ms": 1000},
    "peer_connected": True,
    "witness_connected": False,
    "arbiter": "witness",
    "waits_for_person": False,
    "unsafe_queue": {"updates": 2, "bytes": 3 << 19, "bytes_max": 256 << 20},
    "safe_queue": {"updates": 0, "bytes": 0},
    "last_refrain": None,
    "refusals": [],
    "refusals_total": {},
    "promotion": {
        "kept": 18,
        "last": 20,
        "refused": {"clause": "REJOIN-4", "reason": "this server is active"},
    },
    "resynchronise": False,
    "intercepting": True,
    "serving": False,
    "applications": [
        {"name": "kv", "state": "well", "since": "2026-03-01T10:00:00.000+00:00", "reason": "exited 1"},
        {"name": "web", "state": "failing", "since": "2026-03-01T10:20:00.000+00:00", "reason": "exited 2"},
    ],
    "trace": "/var/lib/db/trace/000001.ndjson",
}

PASSIVE = STATUS | {
    "role": "passive",
    "applied": 10,
    "statuses": 12,
    "stored": 15,
    "public_identity": {"enabled": False, "until_ms": 0, "flaw": ""},
    "grants": {"lease_ms": 0, "promise_ms": 0, "given_ms": 700, "longest_ms": 1000},
    "unsafe_queue": {"updates": 0, "bytes": 0, "bytes_max": 256 << 20},
    "safe_queue": {"updates": 5, "bytes": 700},
    "last_refrain": {"clause": "ROLE-4", "reason": "the peer announced that it shuts down"},
    "promotion": {"kept": 12, "last": 15, "refused": None},
    "refusals": [
        {"at": "2026-03-01T10:20:30.405+00:00", "clause": clause, "reason": reason}
        for clause, reason in (
            ("ROLE-1", "too long ago to be shown"),
            ("ROLE-3", "one"),
            ("REJOIN-3", "two"),
            ("ROLE-4", "the peer announced that it shuts down"),
        )
    ],
    "refusals_total": {"ROLE-1": 1, "ROLE-3": 1, "REJOIN-3": 1, "ROLE-4": 1},
    "serving": False,
    "applications": [
        {"name": "kv", "state": "stopped", "since": "2026-03-01T10:00:00.000+00:00", "reason": ""}
    ],
}


TAKEN = {"enabled": False, "until_ms": 840, "flaw": "it is answered for already"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The file of a node that does not run."""
    (tmp_path / "data").mkdir()
    file = tmp_path / "node.toml"
    file.write_text(
        'pair = "db"\nidentity = "primary"\ndata_directory = "data"\nkeys = "keys"\n'
        '[channel]\nlisten = "127.0.0.1:1"\n[witness]\naddress = "127.0.0.1:2"\n'
        '[public_identity]\nlisten = "127.0.0.1:3"\nforward = "127.0.0.1:4"\n'
    )
    return file


@contextmanager
def answering(directory: Path, answer: bytes) -> Iterator[list[bytes]]:
    """A node that answers one line with `answer`; what it was asked."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "control.sock"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.makefile("rb").readline())
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join()


def line(status: dict[str, Any]) -> bytes:
    return json.dumps(status).encode() + b"\n"


def test_the_status_is_asked_with_one_line_and_written_as_json(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unchanged, and on one line, and as the schema says."""
    jsonschema.validate(STATUS, SCHEMA)
    jsonschema.validate(PASSIVE, SCHEMA)
    with answering(config.parent / "data", line(STATUS)) as asked:
        assert Exit.HOLDS == main(["status", "--config", str(config), "--json"])
    assert [b"status\n"] == asked
    assert STATUS == json.loads(capsys.readouterr().out)


def test_an_active_server_is_described_for_a_person(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Role, epoch, queue, grants and what is left of them, eligibility."""
    with answering(config.parent / "data", line(STATUS)):
        assert Exit.HOLDS == main(["status", "--config", str(config)])
    expected = """\
primary of pair db: active, epoch 3
  links            peer connected, witness NOT connected
  public identity  enabled for another 840 ms
  grants           lease for another 940 ms
  queue            2 updates not known to be safe on the peer, 1.5 MiB of 256 MiB
  peer             eligible
  application      kv: well since 2026-03-01T10:00:00.000+00:00
  application      web: FAILING since 2026-03-01T10:20:00.000+00:00: exited 2
  updates          logged up to 20, acknowledged up to 17
  trace            /var/lib/db/trace/000001.ndjson
"""
    assert expected == capsys.readouterr().out


def test_a_passive_server_is_described_for_a_person(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what kept it from taking over last."""
    with answering(config.parent / "data", line(PASSIVE)):
        assert Exit.HOLDS == main(["status", "--config", str(config)])
    expected = """\
primary of pair db: passive, epoch 3
  links            peer connected, witness NOT connected
  public identity  not enabled
  grants           promised the peer another 700 ms
  queue            applied up to 10; 2 more can be applied, 3 lack their completion status; 700 bytes
  takeover         refrained last: ROLE-4: the peer announced that it shuts down
  trace            /var/lib/db/trace/000001.ndjson
  refused          2026-03-01T10:20:30.405+00:00  ROLE-3: one
  refused          2026-03-01T10:20:30.405+00:00  REJOIN-3: two
  refused          2026-03-01T10:20:30.405+00:00  ROLE-4: the peer announced that it shuts down
"""
    assert expected == capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (STATUS | {"alone": True}, "recorded as NOT eligible: there can be no failover"),
        (STATUS | {"eligible_declared": False}, "not known to be eligible yet"),
        (PASSIVE | {"resynchronise": True}, "not possible before this server has been resynchronised"),
        (PASSIVE | {"last_refrain": None}, "nothing speaks against it"),
        (STATUS | {"applications": []}, "applications     none"),
        (STATUS | {"public_identity": TAKEN}, "public identity  NOT enabled: it is answered for already"),
    ],
)
def test_what_matters_is_said(
    config: Path, capsys: pytest.CaptureFixture[str], status: dict[str, Any], said: str
) -> None:
    """In words."""
    with answering(config.parent / "data", line(status)):
        assert Exit.HOLDS == main(["status", "--config", str(config)])
    assert said in capsys.readouterr().out


def test_a_node_that_does_not_run_is_undecided(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3, without a socket and with one that a killed node left; and the JSON says so too."""
    report = tmp_path / "status.json"
    assert Exit.UNDECIDED == main(["status", "--config", str(config)])
    assert "no node runs on it" in capsys.readouterr().err
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(config.parent / "data" / "control.sock"))
    assert Exit.UNDECIDED == main(["status", "--config", str(config), "--json", str(report)])
    written = json.loads(report.read_text())
    jsonschema.validate(written, SCHEMA)
    assert "no node runs on it" in written["error"]


def test_a_wrong_configuration_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2."""
    assert Exit.USAGE == main(["status", "--config", str(tmp_path / "absent")])
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [b"good morning\n", b"[]\n", b'{"error": "what?"}\n'])
def test_an_answer_that_makes_no_sense_is_undecided(
    config: Path, capsys: pytest.CaptureFixture[str], answer: bytes
) -> None:
    """Exit 3."""
    with answering(config.parent / "data", answer):
        assert Exit.UNDECIDED == main(["status", "--config", str(config)])
    assert "control.sock" in capsys.readouterr().err


def test_a_status_of_another_version_is_undecided(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person is told what is missing, rather than shown half of it."""
    with answering(config.parent / "data", b'{"role": "active"}\n'):
        assert Exit.UNDECIDED == main(["status", "--config", str(config)])
    captured = capsys.readouterr()
    assert ("", True) == (captured.out, "lacks 'identity'" in captured.err)


def test_a_node_that_ends_before_it_answers_does_not_run(tmp_path: Path) -> None:
    """As if it had ended before it was asked."""
    with answering(tmp_path, b""), pytest.raises(NotRunning):
        ask(tmp_path, "status")


def test_a_node_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    """After the given time."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "control.sock"))
        silent.listen()
        with pytest.raises(EnvironmentFault, match="timed out"):
            ask(tmp_path, "status", timeout_s=0.05)


def test_what_the_node_says_against_a_word_is_raised(tmp_path: Path) -> None:
    """In the node's words."""
    with (
        answering(tmp_path, b'{"error": "it is not known"}\n'),
        pytest.raises(PeerError, match="it is not known"),
    ):
        ask(tmp_path, "stauts")
