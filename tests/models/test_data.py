"""The protected data of the virtual world: operations, history, copies."""

from takeover_models.data import Data, Entry, Operation, decoded, from_parts
from takeover_spec.words import Status

APPEND, PUT, REMOVE = (Operation(uid, kind, "a") for uid, kind in enumerate(("append", "put", "remove"), 1))
OPERATIONS = {operation.uid: operation for operation in (APPEND, PUT, REMOVE)}


def carried_out(*operations: Operation) -> Data:
    """The data after these."""
    data = Data()
    for operation in operations:
        data, _ = data.carried_out(operation)
    return data


def test_operations_do_what_they_say() -> None:
    """To append adds, to put replaces, to remove takes away."""
    assert {"a": (1, 1)} == carried_out(APPEND, APPEND).keys
    assert {"a": (2,)} == carried_out(APPEND, PUT).keys
    assert {} == carried_out(APPEND, REMOVE).keys


def test_order_matters() -> None:
    """Two operations in the other order make other data: a mistake in the order is seen."""
    assert carried_out(APPEND, PUT).keys != carried_out(PUT, APPEND).keys


def test_a_failed_operation_changes_nothing_and_has_its_place() -> None:
    """To remove what is not there fails, and so does whatever is doomed (APPLY-3)."""
    data, status = Data().carried_out(REMOVE)
    assert (Status.FAILED, {}, (Entry(3, False),)) == (status, data.keys, data.history)
    data, status = data.carried_out(APPEND, doomed=True)
    assert (Status.FAILED, {}, (Entry(3, False), Entry(1, False))) == (status, data.keys, data.history)


def test_a_copy_is_the_same_data() -> None:
    """What was taken apart and put together is what it was."""
    data = carried_out(APPEND, PUT, APPEND, REMOVE, APPEND)
    assert data == from_parts(data.parts())
    assert Data() == from_parts(Data().parts())


def test_an_operation_is_decoded_as_it_was_encoded() -> None:
    """There and back."""
    assert decoded(PUT.encoded()) == PUT


def test_keys_that_do_not_come_of_the_history_are_noticed() -> None:
    """Data whose keys hold something else than its history makes is not as it says."""
    data = carried_out(APPEND, PUT, APPEND)
    assert data.is_as_its_history_says(OPERATIONS)
    assert not Data({"a": (2,)}, data.history).is_as_its_history_says(OPERATIONS)
    assert not Data(data.keys, data.history[:2]).is_as_its_history_says(OPERATIONS)
    assert not Data({}, (Entry(3, True),)).is_as_its_history_says(OPERATIONS)
