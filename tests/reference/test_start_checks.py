"""What keeps a service from starting, before it touches anything: exit 2, with file, key, value and cause."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from takeover.cli import Exit, main
from takeover.commands.key_making import make_keys
from takeover.config import load_node, load_witness
from takeover.endpoint import Endpoint
from takeover.errors import ConfigurationError, DirectoryOfAnother, StateDamaged
from takeover.start_checks import check_node, check_witness, open_data_directory
from takeover.storage.data_directory import DataDirectory
from takeover.witness.record import read_record

NODE = """\
pair = "db"
identity = "primary"
data_directory = "data"
keys = "keys/primary/keys"
[channel]
listen = "CHANNEL"
peer = "127.0.0.1:1"
[witness]
address = "127.0.0.1:2"
[public_identity]
listen = "PUBLIC"
forward = "127.0.0.1:4"
"""

WITNESS = 'pair = "db"\nlisten = "LISTEN"\ndata_directory = "data"\nkeys = "keys/witness/keys"\n'

FOREIGN = "192.0.2.1"
"""An address for documentation, which no machine has."""


def free() -> Endpoint:
    """An address that nobody listens on just now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return Endpoint(*listening.getsockname())


def node_file(directory: Path, *, channel: str = "", public: str = "", more: str = "") -> Path:
    """A node's file; both addresses are good unless said otherwise."""
    file = directory / "node.toml"
    text = NODE.replace("CHANNEL", channel or str(free())).replace("PUBLIC", public or str(free()))
    file.write_text(text + more)
    return file


def problem_of(file: Path) -> str:
    """What the check says of a node's file, without the file's name in front."""
    with pytest.raises(ConfigurationError) as caught:
        check_node(load_node(file))
    said = str(caught.value)
    assert said.startswith(f"{file}: ")
    return said.removeprefix(f"{file}: ")


def test_a_good_file_is_good(tmp_path: Path) -> None:
    """Nothing is said, and nothing is made."""
    check_node(load_node(node_file(tmp_path)))
    assert [tmp_path / "node.toml"] == list(tmp_path.iterdir())


def test_the_channel_needs_an_address_of_this_machine(tmp_path: Path) -> None:
    """Its key, the address and the cause are named."""
    found = (
        f"channel.listen: found {FOREIGN}:7400, which cannot be listened on: Cannot assign requested address"
    )
    assert problem_of(node_file(tmp_path, channel=f"{FOREIGN}:7400")).startswith(found)


@pytest.mark.parametrize("key", ["channel.listen", "metrics.listen"])
def test_a_port_in_use_is_refused(tmp_path: Path, key: str) -> None:
    """As is one that somebody else has."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = Endpoint(*holder.getsockname())
        if key == "channel.listen":
            file = node_file(tmp_path, channel=str(taken))
        else:
            file = node_file(tmp_path, more=f'[metrics]\nlisten = "{taken}"\n')
        found = f"{key}: found {taken}, which cannot be listened on: Address already in use"
        assert problem_of(file).startswith(found)


def test_the_public_address_may_be_held_and_not_be_foreign(tmp_path: Path) -> None:
    """The other server on this machine may hold it; on another machine's address nobody here ever can."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        check_node(load_node(node_file(tmp_path, public=str(Endpoint(*holder.getsockname())))))
    found = f"public_identity.listen: found {FOREIGN}:80, which cannot"
    assert problem_of(node_file(tmp_path, public=f"{FOREIGN}:80")).startswith(found)


@pytest.mark.parametrize("key", ["command", "health"])
@pytest.mark.parametrize(
    ("program", "lack"),
    [
        ("./missing", "which does not exist"),
        ("./plain", "which is not executable"),
        ("./data", "which is a directory"),
        ("no-such-program", "which is in none of /usr/bin"),
    ],
)
def test_an_applications_programs_are_looked_for(tmp_path: Path, key: str, program: str, lack: str) -> None:
    """On both servers, when they start, and not at the failover; every problem is reported at once."""
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "data").mkdir()
    commands = {"command": '["true"]', "health": '["true"]'} | {key: f'["{program}"]'}
    lines = [f"{name} = {words}" for name, words in commands.items()]
    more = "\n".join(['[[application]]\nname = "app"\nenvironment = { PATH = "/usr/bin" }', *lines, ""])
    problem = problem_of(node_file(tmp_path, more=more))
    assert problem.startswith(f"application[1].{key}: found ")
    assert lack in problem


def test_the_witness_is_checked_likewise(tmp_path: Path) -> None:
    """Its address."""
    file = tmp_path / "witness.toml"
    file.write_text(WITNESS.replace("LISTEN", f"{FOREIGN}:7401"))
    with pytest.raises(ConfigurationError, match=rf"^{file}: listen: found {FOREIGN}:7401, which cannot"):
        check_witness(load_witness(file))


@pytest.mark.parametrize("word", ["node", "witness"])
def test_a_service_that_cannot_start_touches_nothing(
    tmp_path: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, with the reason on standard error and no data directory."""
    make_keys(tmp_path / "keys", "db")
    file = node_file(tmp_path, channel=f"{FOREIGN}:7400")
    if word == "witness":
        file.write_text(WITNESS.replace("LISTEN", f"{FOREIGN}:7401"))
    assert Exit.USAGE == main([word, "--config", str(file)])
    assert "Cannot assign requested address" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("wrong", ["above", "file"])
def test_a_data_directory_that_cannot_be_is_named_with_its_key(tmp_path: Path, wrong: str) -> None:
    """There is no directory above it, or a file is in its place."""
    file = node_file(tmp_path)
    if wrong == "file":
        (tmp_path / "data").write_text("")
    else:
        file.write_text(file.read_text().replace('"data"', '"missing/data"'))
    with pytest.raises(ConfigurationError, match=rf"^{file}: data_directory: {tmp_path}/"):
        open_data_directory(load_node(file))


def bound(tmp_path: Path) -> Path:
    """A data directory of the primary of the pair db; the file is the result."""
    file = node_file(tmp_path)
    with open_data_directory(load_node(file)) as directory:
        directory.state.save({"epoch": 3})
    return file


@pytest.mark.parametrize("changed", ["identity", "pair", "kind"])
def test_a_data_directory_is_one_partys(tmp_path: Path, changed: str) -> None:
    """Another server, another pair and a witness are refused; both are named, and nothing is changed."""
    file = bound(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*") if path.name != "lock"}
    text = file.read_text()
    others = {
        "identity": (text.replace('"primary"', '"secondary"'), "the secondary of the pair db"),
        "pair": (text.replace('"db"', '"other"'), "the primary of the pair other"),
        "kind": (WITNESS.replace("LISTEN", str(free())), "the witness of the pair db"),
    }
    content, other = others[changed]
    file.write_text(content)
    config = load_witness(file) if changed == "kind" else load_node(file)
    with pytest.raises(DirectoryOfAnother, match=rf"the primary of the pair db, and .* for {other}$"):
        open_data_directory(config)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*") if path.name != "lock"}
    assert before == after


def test_a_server_on_a_witnesss_directory_is_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not that its state is damaged; exit 2."""
    make_keys(tmp_path / "keys", "db")
    witness = tmp_path / "witness.toml"
    witness.write_text(WITNESS.replace("LISTEN", str(free())))
    assert Exit.HOLDS == main(["witness", "--config", str(witness), "--new"])
    assert Exit.USAGE == main(["node", "--config", str(node_file(tmp_path))])
    assert "holds the data of the witness of the pair db" in capsys.readouterr().err


def test_its_own_party_finds_what_it_saved(tmp_path: Path) -> None:
    """The owner's names are no part of the state."""
    with open_data_directory(load_node(bound(tmp_path))) as directory:
        assert {"epoch": 3} == directory.state.load()
    saved = json.loads((tmp_path / "data" / "state.json").read_text())
    assert {"epoch": 3, "pair": "db", "party": "primary"} == saved["state"]


def test_a_state_without_an_owner_is_the_finders(tmp_path: Path) -> None:
    """From the next save on."""
    with DataDirectory.open(tmp_path / "data") as directory:
        directory.state.save({"epoch": 3})
    bound(tmp_path)
    with DataDirectory.open(tmp_path / "data") as directory, pytest.raises(StateDamaged):
        read_record(directory)
