"""The text, the tables and the picture of a run; the floors of the smoke."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest

from bench.__main__ import DOCUMENT
from bench.errors import BenchError
from bench.messages import Fixed
from bench.procfs import Machine
from bench.report import BEGIN, END, markdown, publish, replace_between_markers, text_table
from bench.results import Round, Run
from bench.smoke import Check, Floor, at_most, judge
from bench.svg import draw
from bench.throughput import Throughput

MACHINE = Machine("a <fast> processor", 2, 1_000, "Linux", "CPython 3.11")
RIVAL = "RabbitMQ 4.0.5"


def a_run(*rounds: Round, rivals: tuple[str, ...] = (RIVAL,)) -> Run:
    return Run("2025-01-01T00:00:00+00:00", MACHINE, 4.0, 1, ("amqpbroker", *rivals), rounds)


def rounds() -> list[Round]:
    ours = {"delivered_per_s": 500_000.0, "published_per_s": 500_000.0, "cpu_us_per_message": 2.0}
    theirs = {"delivered_per_s": 100_000.0, "published_per_s": 100_000.0, "cpu_us_per_message": 6.0}
    return [
        Round("auto-ack-100", 1, "amqpbroker", ours),
        Round("auto-ack-100", 1, RIVAL, theirs),
        Round("start", 1, "amqpbroker", {"connectable_ms": 20.0, "confirmed_ms": 300.0}),
    ]


def test_the_table_shows_both_and_the_verdict() -> None:
    lines = text_table(a_run(*rounds())).splitlines()

    delivered = next(line for line in lines if line.startswith("auto-ack-100"))
    assert delivered.split()[1:] == [
        *("delivered,", "/s", "500,000", "100,000", "5.0x", "4x", "met")
    ]
    cpu = next(line for line in lines if "broker CPU" in line)
    assert cpu.split()[-5:] == ["2.0", "6.0", "3.0x", "4x", "short"]
    assert lines[-1] == (
        "2 of 4 targets met; short: start (first publish confirmed after), "
        "auto-ack-100 (broker CPU a message)."
    )


def test_without_a_rival_there_are_only_our_figures() -> None:
    ours = [entry for entry in rounds() if entry.broker == "amqpbroker"]

    text = text_table(a_run(*ours, rivals=()))

    assert "ratio" not in text
    assert text.endswith("1 of 2 targets met; short: start (first publish confirmed after).")


def test_faults_are_shown() -> None:
    run = a_run(Round("mixed", 1, RIVAL, {}, ("3 are missing",)))

    assert "mixed, round 1, RabbitMQ 4.0.5: 3 are missing" in text_table(run)
    assert "- mixed, round 1, RabbitMQ 4.0.5: 3 are missing" in markdown(run)


def test_each_workload_is_a_table_in_the_document() -> None:
    text = markdown(a_run(*rounds()))

    assert "| figure | ours | RabbitMQ 4.0.5 | ratio | target |  |" in text
    assert "| delivered, /s | 500,000 | 100,000 | 5.0x | 4x | met |" in text


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    document, picture = tmp_path / "page.md", tmp_path / "picture.svg"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    publish(a_run(*rounds()), document, picture)
    once = document.read_text()
    publish(a_run(*rounds()), document, picture)

    assert once.startswith(f"before\n{BEGIN}\n\n2025-01-01")
    assert once.endswith(f"\n\n{END}\nafter\n")
    assert "old" not in once
    assert document.read_text() == once
    assert picture.read_text() == draw(a_run(*rounds()))


def test_of_several_runs_the_later_one_counts_for_what_it_measured() -> None:
    first = a_run(*rounds())
    again = Round("start", 1, "amqpbroker", {"connectable_ms": 10.0})
    second = attrs.evolve(a_run(again), date="2025-01-02T00:00:00+00:00")

    joined = Run.joined([second, first])

    assert joined.rounds == (*rounds()[:2], again)
    assert joined.date == "2025-01-01T00:00:00+00:00 to 2025-01-02T00:00:00+00:00"


def test_runs_of_different_brokers_are_not_joined() -> None:
    with pytest.raises(BenchError, match="runs of different brokers cannot be shown as one"):
        Run.joined([a_run(*rounds()), a_run(*rounds(), rivals=())])


def test_the_document_has_its_markers() -> None:
    assert replace_between_markers(DOCUMENT.read_text(), "new").count("new\n") == 1
    with pytest.raises(BenchError, match="measured: begin"):
        replace_between_markers("nothing\n", "new")


def test_the_picture_has_a_bar_as_long_as_each_ratio() -> None:
    root = ElementTree.fromstring(draw(a_run(*rounds())))

    bars = [
        float(rect.attrib["width"])
        for rect in root.iter("{http://www.w3.org/2000/svg}rect")
        if rect.attrib["height"] == "13.0"
    ]
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert bars == pytest.approx([570.0, 342.0])  # 5 and 3 times, of the axis's 5
    assert {"5.0x", "3.0x", "100 B, auto-ack", "delivered"} <= set(texts)


def test_the_picture_of_a_run_alone_says_so() -> None:
    assert "No rival was measured." in draw(a_run(rivals=()))


def test_the_picture_is_as_long_as_what_it_shows() -> None:
    root = ElementTree.fromstring(draw(a_run(*rounds())))

    height = float(root.attrib["height"])
    lowest = max(float(rect.attrib["y"]) for rect in root.iter("{http://www.w3.org/2000/svg}rect"))
    assert lowest < height


def test_a_figure_below_its_floor_or_missing_fails_the_smoke() -> None:
    floors = (Floor("delivered_per_s", 100), at_most("p50_ms", 10), Floor("published_per_s", 1))
    check = Check("auto-ack-100", Throughput(Fixed(1)), floors)
    figures = {"delivered_per_s": 99.0, "p50_ms": 11.0}
    run = a_run(Round("auto-ack-100", 1, "amqpbroker", figures, ("1 is missing",)))

    assert judge(run, [check]) == [
        "auto-ack-100, round 1, amqpbroker: 1 is missing",
        "auto-ack-100: delivered_per_s is 99.0, 100 expected",
        "auto-ack-100: p50_ms is 11.0, 10 expected",
        "auto-ack-100: published_per_s was not measured",
    ]


def test_figures_on_their_floors_pass_the_smoke() -> None:
    floors = (Floor("delivered_per_s", 100), at_most("p50_ms", 10))
    check = Check("auto-ack-100", Throughput(Fixed(1)), floors)
    figures = {"delivered_per_s": 100.0, "p50_ms": 10.0}

    assert judge(a_run(Round("auto-ack-100", 1, "amqpbroker", figures)), [check]) == []
