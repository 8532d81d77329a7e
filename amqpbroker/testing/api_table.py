"""What the test API offers, as a table: from it requests are checked, and OpenAPI is written."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from amqpbroker import __version__
from amqpbroker.testing.local_broker import LocalBroker

Kind: TypeAlias = Literal["string", "number", "integer", "boolean", "object", "any"]

_PYTHON: Final[Mapping[str, frozenset[type]]] = {
    "string": frozenset((str,)),
    "number": frozenset((int, float)),
    "integer": frozenset((int,)),
    "boolean": frozenset((bool,)),
    "object": frozenset((dict,)),
}


class WrongRequest(Exception):
    """A request that cannot be done: the HTTP status, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Parameter(NamedTuple):
    """Something that a request may say."""

    name: str
    kind: Kind
    help: str
    is_required: bool = False


Values: TypeAlias = dict[str, Any]


class Route(NamedTuple):
    """A verb and a path, and what it does."""

    verb: str
    path: str  # with names in braces: /vhosts/{vhost}
    summary: str
    act: Callable[[LocalBroker, Values], object]
    parameters: Sequence[Parameter] = ()  # in the query for GET and DELETE, else in the body
    answer: str = "What there is."

    @property
    def names(self) -> list[str]:
        """What the path names."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def has_body(self) -> bool:
        """Whether its parameters come in the body."""
        return self.verb == "POST"

    def matches(self, verb: str, parts: Sequence[str]) -> dict[str, str] | None:
        """What the path names in a request, whose path has these parts; None for another path."""
        own = self.path.strip("/").split("/")
        if verb != self.verb or len(own) != len(parts):
            return None
        found: dict[str, str] = {}
        for pattern, part in zip(own, parts, strict=True):
            if pattern.startswith("{"):
                found[pattern[1:-1]] = part
            elif pattern != part:
                return None
        return found

    def checked(self, given: Mapping[str, object]) -> Values:
        """The values of a request.  Raises `WrongRequest`."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, value in given.items():
            parameter = known.get(name)
            if parameter is None:
                names = ", ".join(known) or "nothing"
                raise WrongRequest(400, f"there is no '{name}' here; it takes {names}")
            if parameter.kind != "any" and type(value) not in _PYTHON[parameter.kind]:
                raise WrongRequest(400, f"'{name}' must be of type {parameter.kind}")
        for parameter in self.parameters:
            if parameter.is_required and parameter.name not in given:
                raise WrongRequest(400, f"'{parameter.name}' is missing: {parameter.help}")
        return dict(given)


def openapi(routes: Sequence[Route]) -> dict[str, object]:
    """The OpenAPI document of the routes."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.verb.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "amqpbroker's test API",
            "version": __version__,
            "description": "What tests in any language ask of a broker that was started with "
            "'amqpbroker serve --test-api PORT'. On loopback only, without a login.",
        },
        "paths": paths,
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {"error": {"type": "string"}},
                    "required": ["error"],
                }
            }
        },
    }


def _operation(route: Route) -> dict[str, object]:
    parameters: list[dict[str, object]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in route.names
    ]
    operation: dict[str, object] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "responses": {
            "200": {"description": route.answer, "content": {"application/json": {}}},
            "default": {
                "description": "It could not be done: a sentence says why.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if route.has_body:
        if route.parameters:
            required = [one.name for one in route.parameters if one.is_required]
            schema: dict[str, object] = {
                "type": "object",
                "properties": {one.name: _schema(one) for one in route.parameters},
                "additionalProperties": False,
            }
            if required:
                schema["required"] = required
            operation["requestBody"] = {
                "required": bool(required),
                "content": {"application/json": {"schema": schema}},
            }
    else:
        parameters += map(_in_query, route.parameters)
    if parameters:
        operation["parameters"] = parameters
    return operation


def _in_query(parameter: Parameter) -> dict[str, object]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.help,
        "schema": {"type": parameter.kind},
    }


def _schema(parameter: Parameter) -> dict[str, object]:
    described: dict[str, object] = {"description": parameter.help}
    return described if parameter.kind == "any" else {"type": parameter.kind, **described}


def _operation_id(route: Route) -> str:
    words = [part.strip("{}") for part in route.path.strip("/").split("/")]
    return "_".join([route.verb.lower(), *words]).replace("-", "_").replace(".", "_")
