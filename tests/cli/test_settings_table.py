"""The table of settings: each has one name, everywhere, and what it gives a server fits it."""

from __future__ import annotations

from argparse import Namespace

import attrs
import pytest

from amqpbroker.cli.settings_table import SETTINGS, Setting, Shape
from amqpbroker.cli.sources import Chosen, WrongSetting, choose, settings_of
from amqpbroker.engine.node_limits import NodeLimits
from amqpbroker.server.settings import Settings
from amqpbroker.wire.limits import WireLimits

ROWS = [pytest.param(setting, id=name) for name, setting in SETTINGS.items()]


def chosen(environment: dict[str, str] | None = None, **values: object) -> dict[str, Chosen]:
    return choose(Namespace(**values), environment or {})


@pytest.mark.parametrize("setting", ROWS)
def test_a_name_is_a_bare_key_and_an_option(setting: Setting) -> None:
    assert setting.name.replace("-", "").isalnum()
    assert setting.name == setting.name.lower()
    assert setting.variable == "AMQPBROKER_" + setting.name.upper().replace("-", "_")
    assert setting.help
    assert not setting.help.endswith(".")


def test_each_field_of_a_server_is_one_setting() -> None:
    parts = {"node": NodeLimits, "wire": WireLimits}
    fields = {field.name for field in attrs.fields(Settings)} - parts.keys()
    for name, part in parts.items():
        fields |= {f"{name}.{field.name}" for field in attrs.fields(part)}
    fields.remove("wire.header_bytes_max")  # as node.header_bytes_max

    assert sorted(setting.field for setting in SETTINGS.values()) == sorted(fields)


def test_the_defaults_are_those_of_a_server() -> None:
    settings = settings_of(chosen())

    assert attrs.evolve(settings, memory_limit_bytes=Settings().memory_limit_bytes) == Settings()


@pytest.mark.parametrize("setting", ROWS)
def test_every_setting_is_read_from_the_environment(setting: Setting) -> None:
    typed = setting.default or "x"
    row = chosen({"AMQPBROKER_TLS_CERT": "x", setting.variable: typed})[setting.name]

    assert row.place == setting.variable
    assert row.texts == (typed,)
    expected = setting.parse(typed)
    assert row.value == ((expected,) if setting.shape is Shape.LIST else expected)


def test_the_command_line_wins_then_our_variables_then_rabbitmqs() -> None:
    environment = {"RABBITMQ_NODE_PORT": "1", "AMQPBROKER_PORT": "2"}

    assert chosen(environment, port="3")["port"].value == 3
    assert chosen(environment)["port"].value == 2
    assert chosen({"RABBITMQ_NODE_PORT": "1"})["port"].value == 1
    assert chosen()["port"].value == 5672


def test_a_list_has_commas_in_the_environment() -> None:
    assert chosen({"AMQPBROKER_VHOST": "a,b"})["vhost"].value == ("a", "b")
    assert chosen({"AMQPBROKER_VHOST": ""})["vhost"].value == ()
    assert chosen(vhost=["a,b", "c"])["vhost"].value == ("a,b", "c")


def test_an_error_names_the_place() -> None:
    with pytest.raises(WrongSetting, match=r"^argument --port: 'x' is not a port"):
        chosen(port="x")
    with pytest.raises(WrongSetting, match=r"^RABBITMQ_NODE_PORT: 'y' is not a port"):
        chosen({"RABBITMQ_NODE_PORT": "y"})
