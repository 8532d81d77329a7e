"""What the ends of a connection are called, as in RabbitMQ: 127.0.0.1:50123 -> 127.0.0.1:5672."""

from typing import cast


def end_name(address: object) -> str:
    """An end's name: host and port, or "unix" for a socket in the file system."""
    if not isinstance(address, tuple):
        return "unix"
    host, port = cast("tuple[str, int]", address[:2])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def connection_name(address: object, peer_name: str) -> str:
    """What a client's connection is called, whose end here is *address*."""
    return f"{peer_name} -> {end_name(address)}"
