"""The virtual network loses, doubles, overtakes, delays and cuts as it is told."""

from takeover_models.network import Letter, Network
from takeover_spec import wire


def asking(sent: int) -> wire.AskPromise:
    """A message, told apart by a number."""
    return wire.AskPromise(1, 1, sent)


def message_of(letter: Letter | None) -> wire.Message | None:
    """What a letter says."""
    return None if letter is None else letter.message


def connected() -> Network:
    """A network whose channel is up."""
    network = Network(latency_ns=10)
    network.connected = True
    return network


def test_messages_arrive_in_any_order_and_twice() -> None:
    """The second may be taken first; what is kept under way can be taken again."""
    network = connected()
    for number in (1, 2):
        network.send("01", asking(number))
    assert asking(2) == message_of(network.take("01", 1, keep=True))
    assert asking(2) == message_of(network.take("01", 1, keep=False))
    assert asking(1) == message_of(network.take("01", 5, keep=False))
    assert network.take("01", 0, keep=False) is None


def test_what_is_sent_into_a_cut_is_lost() -> None:
    """What was under way before is not."""
    network = connected()
    network.send("01", asking(1))
    network.links["01"].up = False
    network.send("01", asking(2))
    assert [asking(1)] == [letter.message for letter in network.links["01"].letters]


def test_a_broken_channel_carries_nothing() -> None:
    """What is said while it is broken is lost; what was under way is lost or not. The witness is not concerned."""
    network = connected()
    network.send("10", asking(1))
    network.disconnect(lose=False)
    for name in ("10", "1w"):
        network.send(name, asking(2))
    assert (1, 1) == tuple(len(network.links[name].letters) for name in ("10", "1w"))
    network.disconnect(lose=True)
    assert (0, 1) == tuple(len(network.links[name].letters) for name in ("10", "1w"))
    assert network.can_connect()
    network.links["10"].up = False
    assert not network.can_connect()


def test_what_is_delayed_is_overtaken() -> None:
    """A later message is due first."""
    network = connected()
    network.send("01", asking(1))
    network.delay("01", 100)
    network.send("01", asking(2))
    assert 1 == network.first_due("01")
    assert [110, 10] == [letter.due_ns for letter in network.links["01"].letters]
