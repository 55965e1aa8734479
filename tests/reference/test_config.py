"""The configuration files: what is read, what is refused, and that a refusal says all that is wrong."""

import dataclasses
import ipaddress
import re
from importlib.resources import files
from pathlib import Path

import pytest

from takeover.address.interface import AddressConfig
from takeover.applications.applications import ApplicationConfig
from takeover.config import EtcdConfig, load_node, load_witness
from takeover.endpoint import Endpoint
from takeover.errors import ConfigurationError
from takeover_spec.words import Arbiter, Constants, Identity

MS = 1_000_000

NODE = """
pair = "db"
identity = "primary"
data_directory = "data"
keys = "keys"
[channel]
listen = "127.0.0.1:7400"
[witness]
address = "127.0.0.1:7401"
[public_identity]
listen = "127.0.0.1:80"
forward = "127.0.0.1:8080"
"""

WITNESS = """
pair = "db"
listen = "127.0.0.1:7401"
data_directory = "data"
keys = "keys"
"""


def written(directory: Path, text: str) -> Path:
    file = directory / "node.toml"
    file.write_text(text)
    return file


def refusal(directory: Path, text: str) -> list[str]:
    """What a node's file is refused for, a problem each, without the file's name in front."""
    file = written(directory, text)
    with pytest.raises(ConfigurationError) as caught:
        load_node(file)
    lines = str(caught.value).splitlines()
    assert [True] * len(lines) == [line.startswith(f"{file}: ") for line in lines]
    return [line.removeprefix(f"{file}: ") for line in lines]


def default(name: str) -> str:
    return files("takeover").joinpath(name).read_text()


def test_a_file_with_only_what_is_required_is_complete(tmp_path: Path) -> None:
    """Everything else has a default."""
    config = load_node(written(tmp_path, NODE))
    assert Identity.PRIMARY == config.identity
    assert Constants(3000 * MS, 3000 * MS, 1000, 200 * MS, True) == config.constants
    assert (500 * MS, 6000 * MS) == (config.beat_ns, config.patience_ns)
    assert Endpoint("127.0.0.1", 7400) == config.channel.listen
    assert None is config.channel.peer
    assert () == config.applications
    assert ("info", None) == (config.log_level, config.log_file)


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Wherever the command was started."""
    text = (
        NODE
        + '[logging]\nfile = "../log"\n[[application]]\nname = "a"\ncommand = ["bin/a", "x/y"]\nlog = "a.log"'
    )
    config = load_node(written(tmp_path, text))
    assert tmp_path / "data" == config.data_directory
    assert tmp_path / ".." / "log" == config.log_file
    assert (str(tmp_path / "bin/a"), "x/y") == config.applications[0].argv
    assert tmp_path / "a.log" == config.applications[0].log_path


def test_an_application_is_read_whole(tmp_path: Path) -> None:
    """Every option reaches its field, and what is absent is left to the defaults of `ApplicationConfig`."""
    text = (
        NODE
        + """
[[application]]
name = "full"
command = ["server"]
health = ["probe", "now"]
health_interval_ms = 11
health_failures_max = 12
stop_timeout_ms = 13
ready_timeout_ms = 14
environment = { A = "b" }
[[application]]
name = "short"
command = ["server"]
health = "127.0.0.1:8080"
"""
    )
    full, short = load_node(written(tmp_path, text)).applications
    log = tmp_path / "data" / "full.log"
    numbers = (11, 12, 13, 14)
    assert (
        ApplicationConfig("full", ("server",), log, {"A": "b"}, tmp_path, ("probe", "now"), *numbers) == full
    )
    log = tmp_path / "data" / "short.log"
    health = Endpoint("127.0.0.1", 8080)
    assert ApplicationConfig("short", ("server",), log, directory=tmp_path, health=health) == short


def test_every_problem_of_a_file_is_reported_at_once(tmp_path: Path) -> None:
    """With the key, what was found, and what was expected."""
    text = """
pair = ""
identity = "first"
data_directory = 7
mood = "good"
[channel]
listen = "localhost:7400"
[witness]
[public_identity]
listen = "127.0.0.1:80"
forward = "127.0.0.1:80"
[grants]
lease_ms = "long"
drift_ppm = 1000000
[queue]
unsafe_byte_max = 1
"""
    problems = {line.split(":")[0]: line for line in refusal(tmp_path, text)}
    assert {
        "pair",
        "identity",
        "data_directory",
        "keys",
        "mood",
        "channel.listen",
        "witness.address",
        "public_identity.forward",
        "grants.lease_ms",
        "grants.drift_ppm",
        "queue.unsafe_byte_max",
    } == set(problems)
    assert 'identity: found \'first\'; expected "primary" or "secondary"' == problems["identity"]
    assert "found nothing; expected an IP address" in problems["witness.address"]
    assert "found 'localhost:7400' (" in problems["channel.listen"]
    expected = "grants.lease_ms: found 'long'; expected a whole number of milliseconds from 1 to 3600000"
    assert expected == problems["grants.lease_ms"]


ADDRESSES = """
[public_identity]
interface = "eth0"
addresses = ["192.0.2.10/24", "2001:db8::10/64"]
"""


def with_addresses(text: str) -> str:
    """A node's file whose public identity is `text`."""
    before, _, _ = NODE.partition("[public_identity]")
    return before + text


def test_the_public_identity_may_be_addresses_on_an_interface(tmp_path: Path) -> None:
    """Instead of a listener; the packet filter's tables get the pair's name."""
    config = load_node(written(tmp_path, with_addresses(ADDRESSES)))
    addresses = tuple(map(ipaddress.ip_interface, ("192.0.2.10/24", "2001:db8::10/64")))
    assert AddressConfig("db", "eth0", addresses, 30) == config.public_identity


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        ("[]", "found []"),
        ('"192.0.2.10/24"', "found '192.0.2.10/24'"),
        ('["192.0.2.10"]', "found '192.0.2.10' (no prefix length)"),
        ("[7]", "found 7 (no prefix length)"),
        ('["192.0.2.300/24"]', "found '192.0.2.300/24' ('192.0.2.300/24' does not appear"),
        ('["192.0.2.0/24"]', "found '192.0.2.0/24' (not a host's address in 192.0.2.0/24)"),
        ('["127.0.0.2/8"]', "(not an address that other machines could reach)"),
        ('["fe80::1/64"]', "(not an address that other machines could reach)"),
        ('["192.0.2.9/24", "192.0.2.9/32"]', "found '192.0.2.9/32' (once more)"),
    ],
)
def test_addresses_that_cannot_be_held_are_refused(tmp_path: Path, addresses: str, said: str) -> None:
    """With what is wrong with which, and what is expected."""
    text = f'[public_identity]\ninterface = "eth0"\naddresses = {addresses}\n'
    (problem,) = refusal(tmp_path, with_addresses(text))
    assert problem.startswith("public_identity.addresses: ")
    assert said in problem
    assert 'expected a list of IP addresses with prefix length, such as ["192.0.2.10/24"' in problem


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        (ADDRESSES + 'listen = "192.0.2.9:80"\n', "interface", "found as well as listen; expected either"),
        (ADDRESSES.replace('"eth0"', '""'), "interface", "found ''; expected the name of an interface"),
        (ADDRESSES.replace('"eth0"', '"a/b"'), "interface", "found 'a/b'; expected the name of an interface"),
        (
            ADDRESSES + "probe_ms = 1001\n",
            "probe_ms",
            "expected a whole number of milliseconds from 0 to 1000",
        ),
        (ADDRESSES.replace('interface = "eth0"', ""), "interface", "found nothing"),
    ],
)
def test_a_public_identity_is_of_one_kind(tmp_path: Path, text: str, key: str, said: str) -> None:
    """A file that mixes them up, or has half of one, is refused."""
    (problem,) = refusal(tmp_path, with_addresses(text))
    assert problem.startswith(f"public_identity.{key}: ")
    assert said in problem


def test_an_unknown_key_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    """A misspelt option is not silently left out."""
    (problem,) = refusal(tmp_path, NODE + "[grants]\nlease = 1000\n")
    assert 'grants.lease: found a key that means nothing here; expected "lease_ms"' == problem
    (problem,) = refusal(
        tmp_path, NODE + '[[application]]\nname = "a"\ncommand = ["a"]\nready_timeout_s = 3\n'
    )
    assert (
        'application[1].ready_timeout_s: found a key that means nothing here; expected "ready_timeout_ms"'
        == problem
    )


@pytest.mark.parametrize(
    ("grants", "key"),
    [
        ("beat_ms = 400\nlease_ms = 1000", "grants.beat_ms"),
        ("beat_ms = 400\npromise_ms = 1000", "grants.beat_ms"),
        ("expiry_slack_ms = 2999\nbeat_ms = 1", "grants.expiry_slack_ms"),
        ("patience_ms = 999", "grants.patience_ms"),
        ("lease_ms = true", "grants.lease_ms"),
        ("lease_ms = 0", "grants.lease_ms"),
        ("lease_ms = 3600001", "grants.lease_ms"),
        ("expiry_slack_ms = -1", "grants.expiry_slack_ms"),
    ],
)
def test_grants_that_could_not_be_kept_are_refused(tmp_path: Path, grants: str, key: str) -> None:
    """A beat too slow, a slack that eats the grant, a patience shorter than two beats, and numbers out of range."""
    problems = refusal(tmp_path, f"{NODE}[grants]\n{grants}\n")
    assert key in {line.split(":")[0] for line in problems}


def test_the_slowest_beat_that_fits_is_taken(tmp_path: Path) -> None:
    """Half of what a grant leaves after drift and slack: 1000 ms less 2 ms of drift and 98 ms of slack."""
    grants = (
        "[grants]\nlease_ms = 1000\npromise_ms = 1000\ndrift_ppm = 1000\nexpiry_slack_ms = 98\nbeat_ms = {}\n"
    )
    assert 449 * MS == load_node(written(tmp_path, NODE + grants.format(449))).beat_ns
    (problem,) = {line.split(":")[0] for line in refusal(tmp_path, NODE + grants.format(451))}
    assert "grants.beat_ms" == problem


def test_a_lease_of_three_beats_is_enough(tmp_path: Path) -> None:
    """As short as the timers of other products; drift and slack may take half a beat of it, and not more than one."""
    grants = "[grants]\nlease_ms = 300\npromise_ms = 300\nbeat_ms = 100\npatience_ms = 2000\nexpiry_slack_ms = {}\n"
    assert 100 * MS == load_node(written(tmp_path, NODE + grants.format(50))).beat_ns
    (problem,) = {line.split(":")[0] for line in refusal(tmp_path, NODE + grants.format(100))}
    assert "grants.beat_ms" == problem


def test_each_server_needs_its_own_end_of_the_channel(tmp_path: Path) -> None:
    """The primary listens, the secondary dials."""
    (problem,) = refusal(tmp_path, NODE.replace('listen = "127.0.0.1:7400"', 'peer = "127.0.0.1:7400"'))
    assert problem.startswith("channel.listen: found nothing")
    (problem,) = refusal(tmp_path, NODE.replace("primary", "secondary"))
    assert problem.startswith("channel.peer: found nothing")


def test_two_applications_do_not_share_a_name(tmp_path: Path) -> None:
    """Their logs would be one file."""
    application = '[[application]]\nname = "a"\ncommand = ["a"]\n'
    (problem,) = refusal(tmp_path, NODE + application * 2)
    assert problem.startswith('application[2].name: found "a" once more')


def test_a_value_in_the_environment_is_not_shown(tmp_path: Path) -> None:
    """It may be a secret."""
    (problem,) = refusal(
        tmp_path, NODE + '[[application]]\nname = "a"\ncommand = ["a"]\nenvironment = { PIN = 4711 }\n'
    )
    assert "application[1].environment.PIN: found a int; expected a text" == problem


def test_a_directory_too_deep_for_a_socket_is_refused(tmp_path: Path) -> None:
    """Before a server finds out when it starts."""
    problems = refusal(tmp_path, NODE.replace('"data"', f'"{"d" * 100}"'))
    assert ["data_directory"] == [line.split(":")[0] for line in problems]


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Absent, not TOML, and not text."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_node(tmp_path / "absent.toml")
    (problem,) = refusal(tmp_path, "pair = ")
    assert problem.startswith("is not TOML: ")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        load_node(tmp_path / "binary.toml")


ETCD = 'address = "127.0.0.1:7401"', 'etcd = ["https://a:2379", "https://192.0.2.2:2379/"]\n'


def test_etcd_in_the_place_of_a_witness(tmp_path: Path) -> None:
    """Members, prefix, user and the files for TLS; all but the members have a default."""
    config = load_node(written(tmp_path, NODE.replace(*ETCD)))
    members = ("https://a:2379", "https://192.0.2.2:2379")
    assert EtcdConfig(members, "/takeover/", "", None, None, None, None) == config.witness
    more = (
        'prefix = "/ha/"\nuser = "u"\npassword_file = "p"\nca_file = "/ca"\n'
        'certificate_file = "c"\nkey_file = "k"\n'
    )
    config = load_node(written(tmp_path, NODE.replace(ETCD[0], ETCD[1] + more)))
    files = (tmp_path / "p", Path("/ca"), tmp_path / "c", tmp_path / "k")
    assert EtcdConfig(members, "/ha/", "u", *files) == config.witness


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('etcd = "https://a:2379"', "witness.etcd: found 'https://a:2379'; expected a list of URLs"),
        ("etcd = []", "witness.etcd: found []; expected a list of URLs"),
        ('etcd = ["a:2379"]', "witness.etcd: found ['a:2379']; expected a list of URLs"),
        ('etcd = ["http://a"]', "witness.etcd: found ['http://a']; expected a list of URLs"),
        ('etcd = ["http://u:p@a:1"]', "witness.etcd: found ['http://u:p@a:1']; expected a list of URLs"),
        ('etcd = ["http://a:1/v3"]', "witness.etcd: found ['http://a:1/v3']; expected a list of URLs"),
        ('etcd = ["http://a:x"]', "witness.etcd: found ['http://a:x']; expected a list of URLs"),
        ('address = "127.0.0.1:1"\netcd = ["http://a:1"]', "witness.address: found `etcd` beside it"),
        ('etcd = ["http://a:1"]\nuser = "u"', "witness.password_file: found one without the other"),
        ('etcd = ["http://a:1"]\npassword_file = "u"', "witness.password_file: found one without the other"),
        ('etcd = ["https://a:1"]\nkey_file = "k"', "witness.key_file: found one without the other"),
        ('etcd = ["http://a:1"]\nca_file = "k"', "witness.etcd: found http://a:1 beside the files for TLS"),
        ('etcd = ["http://a:1"]\nprefix = " "', "witness.prefix: found ' '; expected a text of up to 200"),
        ('address = "127.0.0.1:1"\nprefix = "/a"', "witness.prefix: found a key that means nothing here"),
    ],
)
def test_what_is_wrong_with_an_etcd_is_named(tmp_path: Path, table: str, problem: str) -> None:
    """Before anything is started."""
    (found,) = refusal(tmp_path, NODE.replace(ETCD[0], table))
    assert found.startswith(problem)


@pytest.mark.parametrize(
    "text",
    [
        NODE.replace("127.0.0.1:80", "127.0.0.1:7400", 1),
        NODE.replace("127.0.0.1:80", "0.0.0.0:7400", 1),
        NODE + '[metrics]\nlisten = "127.0.0.1:80"\n',
    ],
)
def test_the_public_address_is_for_clients_alone(tmp_path: Path, text: str) -> None:
    """It cannot be that of the channel, or of the figures, nor be on every address with the same port."""
    (problem,) = refusal(tmp_path, text)
    assert problem.startswith("public_identity.listen: found ")
    assert problem.endswith("; expected an address or a port of its own")


def test_a_witness_is_read_and_refused_likewise(tmp_path: Path) -> None:
    """Its constants are the servers', and a server's options mean nothing to it."""
    file = written(tmp_path, WITNESS + "[grants]\nlease_ms = 1000\n")
    config = load_witness(file)
    assert Constants(1000 * MS, 3000 * MS, 1000, 200 * MS, True) == config.constants
    assert (tmp_path / "data", Endpoint("127.0.0.1", 7401)) == (config.data_directory, config.listen)
    file = written(tmp_path, WITNESS + "[grants]\nbeat_ms = 200\n")
    with pytest.raises(ConfigurationError, match=r"grants\.beat_ms: found a key that means nothing here"):
        load_witness(file)


@pytest.mark.parametrize("name", ["default_node.toml", "default_witness.toml"])
def test_the_default_file_is_valid_and_holds_the_defaults(tmp_path: Path, name: str) -> None:
    """What it says a default is, is the default: without every optional key, the same is read."""
    load = load_node if name == "default_node.toml" else load_witness
    whole = load(written(tmp_path, default(name)))
    kept = [
        "pair",
        "identity",
        "data_directory",
        "keys",
        "listen",
        "peer",
        "address",
        "forward",
        "name",
        "command",
        "health",
    ]
    short = "\n".join(
        line
        for line in default(name).splitlines()
        if line.startswith("[") or line.partition(" = ")[0] in kept
    )
    assert len(short) < len(default(name)) / 2
    assert dataclasses.asdict(whole) == dataclasses.asdict(load(written(tmp_path, short)))


@pytest.mark.parametrize("name", ["default_node.toml", "default_witness.toml"])
def test_the_default_file_explains_every_option(name: str) -> None:
    """Above each key stands a comment, also above those that are commented out because they have no default."""
    lines = default(name).splitlines()
    keys = [i for i, line in enumerate(lines) if re.match(r"(# )?[a-z_]+ = ", line)]
    assert len(keys) >= 10
    assert [] == [lines[i] for i in keys if not lines[i - 1].startswith("# ") or lines[i - 1] == "# "]


@pytest.mark.parametrize("arbiter", ["crash-stop", "operator"])
def test_a_pair_without_a_witness(arbiter: str, tmp_path: Path) -> None:
    """It names none; and a server says to whom it was told to listen."""
    file = tmp_path / "node.toml"
    without = NODE.replace('[witness]\naddress = "127.0.0.1:7401"\n', "")
    file.write_text(f'arbiter = "{arbiter}"\n{without}')
    config = load_node(file)
    assert (Arbiter(arbiter), None) == (config.arbiter, config.witness)
    file.write_text(f'arbiter = "{arbiter}"\n{NODE}')
    with pytest.raises(ConfigurationError, match=rf"witness\.address: found a witness.*{arbiter}"):
        load_node(file)
    file.write_text(without)
    with pytest.raises(ConfigurationError, match=r"witness\.address"):
        load_node(file)
    file.write_text(f'arbiter = "luck"\n{NODE}')
    with pytest.raises(ConfigurationError, match=r"arbiter: found 'luck'; expected .* or \"operator\""):
        load_node(file)
