"""What the system says of a file or a connection, as one line that names it."""


def said_plainly(error: BaseException, url: str | None) -> str:
    """What is wrong, with the file that it is about, or else the broker at *url*."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    if error.filename is not None:
        return f"cannot open '{error.filename}': {error.strerror}"
    return f"cannot connect to {url}: {error.strerror}" if url else error.strerror
