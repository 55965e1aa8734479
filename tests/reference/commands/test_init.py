"""`takeover init`: what it writes, what it refuses, and that the units are what systemd takes."""

from __future__ import annotations

import ipaddress
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from takeover.address.interface import AddressConfig
from takeover.channel.keys import Keys
from takeover.cli import Exit, main
from takeover.commands.pair_files import fill
from takeover.config import load_node, load_witness
from takeover.endpoint import Endpoint
from takeover.errors import OwnFault
from takeover_spec.words import Arbiter, Identity

FAR = [
    "--primary",
    "192.0.2.1",
    "--secondary",
    "192.0.2.2",
    "--witness",
    "2001:db8::3",
    "--public",
    "192.0.2.9:80",
]
UNITS = {"primary": "takeover-node.service", "witness": "takeover-witness.service"}


def init(*words: str | Path) -> int:
    return main(["init", *map(str, words)])


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A pair on three machines."""
    assert Exit.HOLDS == init(tmp_path / "pair", "--pair", "db", *FAR)
    return tmp_path / "pair"


def test_each_machine_gets_what_it_needs_and_nothing_else(pair: Path) -> None:
    """A configuration, keys and a unit each; the authority's own key is in none of the three."""
    keys = [f"keys/{name}" for name in ("authority.crt", "own.crt", "own.key", "revoked.txt")]
    for party, configuration in (("primary", "node"), ("secondary", "node"), ("witness", "witness")):
        expected = {*keys, f"{configuration}.toml", f"takeover-{configuration}.service"}
        found = {str(path.relative_to(pair / party)) for path in (pair / party).rglob("*") if path.is_file()}
        assert expected == found
    assert {"authority.crt", "authority.key"} == {path.name for path in (pair / "authority").iterdir()}


def test_the_configurations_fit_together(pair: Path) -> None:
    """They parse, name each other's addresses, and each party's keys are its own."""
    primary, secondary = (load_node(pair / party / "node.toml") for party in ("primary", "secondary"))
    witness = load_witness(pair / "witness" / "witness.toml")
    assert {"db"} == {primary.pair, secondary.pair, witness.pair}
    assert (Identity.PRIMARY, Identity.SECONDARY) == (primary.identity, secondary.identity)
    assert Endpoint("192.0.2.1", 7400) == primary.channel.listen == secondary.channel.peer
    assert Endpoint("2001:db8::3", 7401) == primary.witness == secondary.witness == witness.listen
    assert primary.constants == secondary.constants == witness.constants
    assert primary.public_identity == secondary.public_identity
    for config, party in ((primary, "primary"), (secondary, "secondary"), (witness, "witness")):
        Keys(config.keys, "db", party)
        assert pair / party / "data" == config.data_directory


def test_what_is_not_filled_in_is_as_in_the_commented_default(pair: Path) -> None:
    """Comment by comment."""
    for name, made in (
        ("default_node.toml", "primary/node.toml"),
        ("default_witness.toml", "witness/witness.toml"),
    ):
        default = files("takeover").joinpath(name).read_text().splitlines()
        lines = (pair / made).read_text().splitlines()
        assert len(default) == len(lines)
        differing = [before for before, after in zip(default, lines, strict=True) if before != after]
        assert [] == [line for line in differing if not re.match("(# )?[a-z_]+ = ", line)]


def test_a_public_address_goes_on_an_interface(tmp_path: Path) -> None:
    """The other kind is commented out, the application listens on the address, and the unit may do what that needs."""
    there = ["--public", "192.0.2.9/24", "--interface", "eth1"]
    assert Exit.HOLDS == init(tmp_path / "pair", *FAR[:-2], *there)
    for party in ("primary", "secondary"):
        config = load_node(tmp_path / "pair" / party / "node.toml")
        address = ipaddress.ip_interface("192.0.2.9/24")
        assert isinstance(config.public_identity, AddressConfig)
        assert ("eth1", (address,)) == (config.public_identity.interface, config.public_identity.addresses)
        assert Endpoint("192.0.2.9", 7480) == config.applications[0].health
    unit = settings(tmp_path / "pair" / "primary" / UNITS["primary"])
    assert {"CAP_NET_ADMIN CAP_NET_RAW"} == {unit["AmbientCapabilities"], unit["CapabilityBoundingSet"]}


def test_a_value_without_a_place_is_a_defect() -> None:
    """Rather than a file that lacks it; a key of the same name in another table is not its place."""
    assert "# a = 1\nb = 3\n" == fill("a = 1\n# b = 2\n", {"a": None, "b": "3"}).replace('"', "")
    template = "a = 1\n[t]\na = 2\n[[u]]\na = 3\n"
    assert 'a = 1\n[t]\na = "x"\n[[u]]\na = ["y"]\n' == fill(template, {"t.a": "x", "u.a": ["y"]})
    with pytest.raises(OwnFault, match=r"no place for t\.b"):
        fill(template, {"t.b": "x"})


def test_the_next_three_commands_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A party each: copied and started on its machine, or, where all is on this one, started from here."""
    init(tmp_path / "far", *FAR)
    witness, primary, secondary = capsys.readouterr().out.splitlines()[-3:]
    assert f"scp -rp {tmp_path}/far/witness root@[2001:db8::3]:/var/lib/takeover-witness && ssh " in witness
    assert "witness --config /var/lib/takeover-witness/witness.toml --new && mv " in witness
    assert (
        f"scp -rp {tmp_path}/far/primary root@192.0.2.1:/var/lib/takeover && ssh root@192.0.2.1 '" in primary
    )
    assert secondary.endswith("systemctl enable --now takeover-node'")
    init(tmp_path / "near")
    assert [
        f"  takeover node --config {tmp_path}/near/{party}/node.toml" for party in ("primary", "secondary")
    ] == (capsys.readouterr().out.splitlines()[-2:])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (FAR[:-2], "--public is needed"),
        (["--primary", "db1.example.org"], "is not an IP address in digits"),
        (["--pair", "two words"], "is not up to 64 letters"),
        (["--public", "192.0.2.9"], "expected HOST:PORT"),
        (["--public", "192.0.2.9/24"], "--public ADDRESS/PREFIX and --interface NAME go together"),
        (["--public", "192.0.2.9:80", "--interface", "eth0"], "--public ADDRESS/PREFIX and --interface NAME"),
        (["--public", "192.0.2.9/99", "--interface", "eth0"], "does not appear to be"),
        (["--days", "0"], "is not a number of days"),
        (["--renew"], "the pair's authority cannot be read"),
        (["--renew-authority"], "the pair's authority cannot be read"),
    ],
)
def test_a_wrong_order_is_wrong_usage_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    """Exit 2, with the reason."""
    try:
        status = init(tmp_path / "pair", *words)
    except SystemExit as ended:
        status = int(str(ended.code))
    assert (Exit.USAGE, True) == (status, reason in capsys.readouterr().err)
    assert not (tmp_path / "pair").exists()


def test_a_directory_with_something_in_it_is_left_alone(
    pair: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Making a pair twice would take the first one's keys away."""
    before = {path: path.read_bytes() for path in pair.rglob("*") if path.is_file()}
    assert Exit.USAGE == init(pair)
    assert "is not an empty directory" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in pair.rglob("*") if path.is_file()}


def test_renewing_says_what_to_do_with_the_keys(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And configurations are left alone; a new authority asks for more steps."""
    before = (pair / "primary" / "keys" / "own.crt").read_bytes()
    (pair / "primary" / "node.toml").write_text("mine")
    assert Exit.HOLDS == init(pair, "--renew", "--days", "90")
    assert "systemctl reload" in capsys.readouterr().out
    assert "mine" == (pair / "primary" / "node.toml").read_text()
    assert before != (pair / "primary" / "keys" / "own.crt").read_bytes()
    assert Exit.HOLDS == init(pair, "--renew-authority")
    assert "Then: takeover init DIR --renew, and the same again." in capsys.readouterr().out


# --- units -------------------------------------------------------------------------------------------------


def settings(unit: Path) -> dict[str, str]:
    """What a unit sets."""
    lines = [line for line in unit.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("party", UNITS)
def test_a_unit_is_watched_and_confined(pair: Path, party: str) -> None:
    """It tells when it is ready, is watched, reads its keys on reload, and may do next to nothing else."""
    unit = settings(pair / party / UNITS[party])
    assert ("notify", "on-failure") == (unit["Type"], unit["Restart"])
    assert int(unit["WatchdogSec"]) > 0
    assert unit["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert unit["ExecStartPre"].startswith(f"+/bin/chown -R --reference=/var/lib/{unit['StateDirectory']}/ ")
    assert {"yes"} == {unit[name] for name in ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp")}
    assert "strict" == unit["ProtectSystem"]
    program, home = unit["ExecStart"].split()[0], f"/var/lib/{unit['StateDirectory']}"
    assert Path(program).is_file()
    assert unit["ExecStart"].split()[-1].startswith(f"{home}/")
    assert (pair / party / unit["ExecStart"].split()[-1].removeprefix(f"{home}/")).is_file()


def test_a_unit_has_no_capability_that_it_does_not_need(pair: Path, tmp_path: Path) -> None:
    """A port below 1024 needs one; other ports, and a witness, need none."""
    init(tmp_path / "near")
    needed = [
        settings(path)["AmbientCapabilities"]
        for path in (
            pair / "primary" / UNITS["primary"],
            tmp_path / "near" / "primary" / UNITS["primary"],
            pair / "witness" / UNITS["witness"],
        )
    ]
    assert ["CAP_NET_BIND_SERVICE", "", ""] == needed


@pytest.mark.parametrize("party", UNITS)
def test_systemd_takes_the_unit(pair: Path, tmp_path: Path, party: str) -> None:
    """Its own check has nothing to say, and has about a unit that is spoilt. `.ci/run` sees to it that it is there."""
    unit = pair / party / UNITS[party]
    assert "" == complaints(unit)
    spoilt = tmp_path / UNITS[party]
    spoilt.write_text(unit.read_text().replace("Type=notify", "Type=notified"))
    assert "notified" in complaints(spoilt)


def complaints(unit: Path) -> str:
    """What systemd says against a unit; on a machine without systemd, only the type is looked at."""
    if shutil.which("systemd-analyze") is None:
        return "" if settings(unit)["Type"] == "notify" else settings(unit)["Type"]
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stderr


@pytest.mark.parametrize("arbiter", ["crash-stop", "operator"])
def test_a_pair_without_a_witness(arbiter: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two configurations, no third party, and the order that begins it; its keys can be renewed like any."""
    pair = tmp_path / "pair"
    assert Exit.HOLDS == init(pair, "--arbiter", arbiter)
    assert not (pair / "witness").exists()
    configs = [load_node(pair / party / "node.toml") for party in ("primary", "secondary")]
    assert [(Arbiter(arbiter), None)] * 2 == [(config.arbiter, config.witness) for config in configs]
    promote = capsys.readouterr().out.splitlines()[-1]
    assert f"  takeover promote --config {pair}/primary/node.toml --accept-loss" == promote
    assert Exit.HOLDS == init(pair, "--renew")
    assert Exit.HOLDS == init(pair, "--renew-authority")
    assert not (pair / "witness").exists()
    far = [word for word in FAR if word not in ("--witness", "2001:db8::3")]
    assert Exit.HOLDS == init(tmp_path / "far", *far, "--arbiter", arbiter)
    assert "takeover promote --config /var/lib/takeover/node.toml" in capsys.readouterr().out
