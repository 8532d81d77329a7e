"""What coverage-guided fuzzing asks of the decoder holds for the inputs that it starts with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import tables

from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Table, encode_table
from amqpbroker.testing.fuzz.decoder import first_inputs, read, read_properties, read_table


@pytest.mark.slow
def test_the_first_inputs_are_read_or_refused() -> None:
    inputs = list(first_inputs())
    for data in inputs:
        read(data)

    assert len(inputs) > 1000


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for kind in range(5):
        read(bytes((kind,)) + data)

    assert read(b"") is None


@given(tables)
def test_tables_pass(table: Table) -> None:
    read_table(encode_table(table))
    read_properties(properties_of(headers=table).raw)

    assert encode_table(table)
