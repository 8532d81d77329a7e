"""Every row of the table, and every refusal: that is all that is not in it."""

from __future__ import annotations

import pytest
from wire_stage import outcome, sample_of, wire_in

from amqpbroker.spec.method import METHODS, Method
from amqpbroker.spec.methods import ChannelOpen
from amqpbroker.wire.states import SILENT_STATES, TRANSITIONS, State
from amqpbroker.wire.writer import method_frame

METHOD_STATES = [state for state in State if state is not State.HEADER]


def led_to(state: State, method_class: type[Method]) -> str:
    wire = wire_in(state)
    told = outcome(wire, method_frame(0, sample_of(method_class)))
    return f"{told} -> {wire.state.value}"


def expected_of(state: State, method_class: type[Method]) -> str:
    next_state = TRANSITIONS.get((state, method_class))
    if next_state is not None:
        return f"MethodReceived -> {next_state.value}"
    if state in SILENT_STATES:
        told = "silence"
    elif state in (State.CLOSING, State.CLOSED):
        told = "nothing"
    else:
        told = (
            f"504 CHANNEL_ERROR - unexpected method in connection state {state.value} "
            f"[{method_class.class_id}.{method_class.method_id}]"
        )
    return f"{told} -> {state.value}"


@pytest.mark.parametrize("state", METHOD_STATES)
def test_on_channel_0_only_the_methods_of_the_table_may_come(state: State) -> None:
    expected = {one.name: expected_of(state, one) for one in METHODS.values()}

    assert {one.name: led_to(state, one) for one in METHODS.values()} == expected


def test_the_table_has_what_a_client_needs_and_no_more() -> None:
    rows = {
        (state.value, method_class.name, next_state.value)
        for (state, method_class), next_state in TRANSITIONS.items()
    }

    assert rows == {
        ("starting", "connection.start-ok", "tuning"),
        ("tuning", "connection.tune-ok", "opening"),
        ("opening", "connection.open", "running"),
        ("running", "connection.update-secret", "running"),
        ("running", "connection.close", "closed"),
        ("closing", "connection.close", "closing"),
        ("closing", "connection.close-ok", "closed"),
    }


@pytest.mark.parametrize("state", METHOD_STATES)
def test_on_a_channel_methods_may_come_once_the_connection_is_open(state: State) -> None:
    wire = wire_in(state)
    expected = {
        State.OPENING: "505 UNEXPECTED_FRAME - type 1, all octets = <<0,20,0,10,4,116,101,120,116>>"
        " [0.0]",
        State.OPEN: "MethodReceived",
        State.CLOSING: "nothing",
        State.CLOSED: "nothing",
    }.get(state, "silence")

    assert outcome(wire, method_frame(1, sample_of(ChannelOpen))) == expected
    assert wire.state is state


def test_a_connection_starts_with_the_protocol_header() -> None:
    assert wire_in(State.HEADER).state is State.HEADER
    assert wire_in(State.STARTING).state is State.STARTING


@pytest.mark.parametrize("state", State)
def test_a_connection_may_be_over_in_any_state(state: State) -> None:
    wire = wire_in(state)
    wire.closed()

    assert wire.state is State.CLOSED
    assert outcome(wire, b"any bytes", bytes(100)) == "nothing"
