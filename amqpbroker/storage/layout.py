"""How the log stands in its files, byte by byte.

A segment file is a header and records.  Numbers are little-endian.

    header    8 bytes  "amqp.log"
              u32      version of the format
              u64      number of the segment
              u32      crc32 of the above
    record    u32      bytes of the payload
              u32      crc32 of kind and payload
              u8       kind
              payload

    SNAPSHOT  JSON: [[[segment, bytes], ...], [[kind, key, record], ...]]  the first of a segment:
              the other segments with their final sizes, and all records as they stand
    STATE     JSON: [kind, key, record]; null for a record that was removed
    ENTER     u16 targets, u32 span, u64 entered ms, u32 bytes of the publish, u32 message count
              (u64 queue id, u64 first id) for each target
              u32 index of each message among the span, unless there are as many as that
              u32 bytes of each message's content
              the publish; the contents
    LEAVE     u32 run count; u64 first id of each run; u32 length of each
    DROP      u64 number of a segment that nothing needs any more
    COMMIT    u64 number of the transaction, u64 next id: what stands before it since the last
              COMMIT counts, all of it
    CLOSE     nothing: the broker came to its end in peace; nothing stands behind it

A message that went to several queues stands once, with a target for each: its id in a queue is
the target's first id plus its index.
"""

import json
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from struct import Struct
from struct import error as StructError
from typing import Final, NamedTuple
from zlib import crc32

from amqpbroker.engine.ports import Json, Record, RecordKey

MAGIC: Final = b"amqp.log"
FORMAT_VERSION: Final = 1
_HEADER: Final = Struct("<8sIQ")
_CRC: Final = Struct("<I")
HEADER_BYTES: Final = _HEADER.size + _CRC.size

RECORD_HEAD: Final = Struct("<IIB")
_ENTER: Final = Struct("<HIQII")
_TARGET: Final = Struct("<QQ")
_COMMIT: Final = Struct("<QQ")
_NUMBER: Final = Struct("<Q")

SNAPSHOT: Final = 1
STATE: Final = 2
ENTER: Final = 3
LEAVE: Final = 4
DROP: Final = 5
COMMIT: Final = 6
CLOSE: Final = 7

#: A payload with more bytes is none: a message's limit, and what stands around it.
PAYLOAD_BYTES_MAX: Final = 1 << 31

StateItem = tuple[str, RecordKey, Record]


class Malformed(ValueError):
    """Bytes that are no record, though their checksum is right."""


class Enter(NamedTuple):
    """An ENTER record, read."""

    targets: Sequence[tuple[int, int]]  # (queue id, first id)
    span: int  # how many ids each target has
    entered_ms: int
    raw_publish: bytes
    indices: Sequence[int]  # of the messages that stand here, among the span
    ends: Sequence[int]  # where each content ends, from `contents_start`
    contents_start: int
    payload: bytes

    def content(self, place: int) -> bytes:
        """The content of the message at *place* among `indices`."""
        start = self.ends[place - 1] if place else 0
        base = self.contents_start
        return self.payload[base + start : base + self.ends[place]]


def encode_header(number: int) -> bytes:
    """A segment's header."""
    head = _HEADER.pack(MAGIC, FORMAT_VERSION, number)
    return head + _CRC.pack(crc32(head))


def decode_header(raw: bytes) -> tuple[int, int] | None:
    """(version, segment number); None for what is no header."""
    if len(raw) < HEADER_BYTES:
        return None
    magic, version, number = _HEADER.unpack_from(raw)
    is_whole = _CRC.unpack_from(raw, _HEADER.size)[0] == crc32(raw[: _HEADER.size])
    return (version, number) if magic == MAGIC and is_whole else None


def encode_record(kind: int, *pieces: bytes) -> bytes:
    """A record."""
    payload = b"".join(pieces)
    return RECORD_HEAD.pack(len(payload), crc32(payload, kind), kind) + payload


def is_sound(kind: int, crc: int, payload: bytes | memoryview) -> bool:
    """Whether a record's checksum is right."""
    return crc32(payload, kind) == crc


def encode_enter(
    targets: Sequence[tuple[int, int]],
    span: int,
    entered_ms: int,
    raw_publish: bytes,
    contents: Sequence[bytes],
    indices: Sequence[int] | None = None,
) -> bytes:
    """An ENTER record; `indices` only where not all of the span are there."""
    head = _ENTER.pack(len(targets), span, entered_ms, len(raw_publish), len(contents))
    raw_targets = b"".join([_TARGET.pack(*target) for target in targets])
    raw_indices = b"" if indices is None else array("I", indices).tobytes()
    sizes = array("I", map(len, contents)).tobytes()
    return encode_record(ENTER, head, raw_targets, raw_indices, sizes, raw_publish, *contents)


def enter_targets(payload: bytes | memoryview) -> tuple[Sequence[tuple[int, int]], int, int]:
    """Of an ENTER's payload: the targets, the span, and how many messages stand there."""
    try:
        target_count, span, _, _, count = _ENTER.unpack_from(payload)
        end = _ENTER.size + target_count * _TARGET.size
        return list(_TARGET.iter_unpack(payload[_ENTER.size : end])), span, count
    except StructError as error:
        raise Malformed(str(error)) from None


def decode_enter(payload: bytes) -> Enter:
    """Read an ENTER's payload; raises `Malformed`."""
    try:
        target_count, span, entered_ms, publish_bytes, count = _ENTER.unpack_from(payload)
        position = _ENTER.size + target_count * _TARGET.size
        targets = list(_TARGET.iter_unpack(payload[_ENTER.size : position]))
        indices: Sequence[int] = range(span)
        if count != span:
            indices = array("I", payload[position : position + 4 * count])
            position += 4 * count
        sizes = array("I", payload[position : position + 4 * count])
        position += 4 * count
        raw_publish = payload[position : position + publish_bytes]
        ends = list(accumulate(sizes))
    except (StructError, ValueError) as error:
        raise Malformed(str(error)) from None
    start = position + publish_bytes
    if len(sizes) != count or start + (ends[-1] if ends else 0) != len(payload):
        raise Malformed("contents do not fill their record")
    return Enter(targets, span, entered_ms, raw_publish, indices, ends, start, payload)


def encode_leave(runs: Sequence[tuple[int, int]]) -> bytes:
    """A LEAVE record of (first id, count) runs."""
    firsts = array("Q", [first for first, _ in runs])
    counts = array("I", [count for _, count in runs])
    return encode_record(LEAVE, _CRC.pack(len(runs)), firsts.tobytes(), counts.tobytes())


def decode_leave(payload: bytes | memoryview) -> Iterable[tuple[int, int]]:
    """The runs of a LEAVE's payload; raises `Malformed`."""
    try:
        (count,) = _CRC.unpack_from(payload)
        firsts = array("Q", bytes(payload[4 : 4 + 8 * count]))
        counts = array("I", bytes(payload[4 + 8 * count :]))
    except (StructError, ValueError) as error:
        raise Malformed(str(error)) from None
    if len(counts) != count:
        raise Malformed("runs do not fill their record")
    return zip(firsts, counts, strict=True)


def encode_commit(number: int, next_id: int) -> bytes:
    """A COMMIT record."""
    return encode_record(COMMIT, _COMMIT.pack(number, next_id))


def decode_commit(payload: bytes | memoryview) -> tuple[int, int]:
    """(number of the transaction, next id)."""
    return _COMMIT.unpack(payload)


def encode_drop(number: int) -> bytes:
    """A DROP record."""
    return encode_record(DROP, _NUMBER.pack(number))


def decode_drop(payload: bytes | memoryview) -> int:
    """The number of the segment."""
    return _NUMBER.unpack(payload)[0]


def encode_state(kind: str, key: RecordKey, record: Record | None) -> bytes:
    """A STATE record."""
    return encode_record(STATE, json.dumps([kind, key, record]).encode())


def decode_state(payload: bytes | memoryview) -> tuple[str, RecordKey, Record | None]:
    """(kind, key, record)."""
    kind, key, record = json.loads(bytes(payload))
    return kind, tuple(key), record


def encode_snapshot(segments: Iterable[tuple[int, int]], items: Iterable[StateItem]) -> bytes:
    """A SNAPSHOT record."""
    content: Json = [
        list(map(list, segments)),
        [[kind, key, record] for kind, key, record in items],
    ]
    return encode_record(SNAPSHOT, json.dumps(content).encode())


def decode_snapshot(payload: bytes | memoryview) -> tuple[dict[int, int], list[StateItem]]:
    """({segment number: its size in bytes}, the records)."""
    segments, items = json.loads(bytes(payload))
    return dict(segments), [(kind, tuple(key), record) for kind, key, record in items]


def segment_name(number: int) -> str:
    """The name of a segment's file."""
    return f"{number:010d}.log"


def segment_number(name: str) -> int | None:
    """The number that a file's name says; None for other files."""
    stem, dot, suffix = name.partition(".")
    return int(stem) if dot and suffix == "log" and stem.isdigit() else None
