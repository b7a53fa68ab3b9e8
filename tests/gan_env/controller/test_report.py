"""What a controller says of its decisions: the table and the picture."""

from pathlib import Path

import pytest
from plain_gan import PlainGAN

from gan_env.controller import GANController
from gan_env.controller.report import Decision, Report


def table(control: GANController) -> list[dict[str, str]]:
    """The rows of the report, head -> cell."""
    lines = str(control.report()).splitlines()[2:]
    head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_a_trained_controller_says_what_was_seen_done_and_why(folder: Path, tmp_path: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 8)
    assert str(control.report()).splitlines()[0] == "mine: 8 of 8 updates"
    rows = table(control)
    assert list(rows[0]) == ["update", "r1", "lr_g", "lr_d", "saw", "why"]
    assert [row["update"] for row in rows] == ["0", "2", "4", "6"]
    assert all(any(f"{knob}: " in row["why"] for knob in ("r1", "lr_g", "lr_d")) for row in rows)
    pytest.importorskip("matplotlib")
    assert control.report().save(tmp_path / "run.png").stat().st_size > 1000


def test_the_picture_says_what_the_moves_of_a_trained_controller_came_from(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pytest.importorskip("matplotlib").rcParams, "svg.fonttype", "none")  # text stays text
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 8)
    drawn = control.report().save(tmp_path / "run.svg").read_text()
    named = [reason for decision in control.report().decisions for reason in decision.why.items()]
    assert named and all(f">why {knob}: shares<" in drawn for knob, _ in named)
    names = {next(iter(shares)) for _, shares in named}
    assert any(drawn.count(f">{name}<") > 1 for name in names)  # as the title of its own panel, and in a legend
    assert "why" not in PlainGAN.make().control("ada", 100).report().save(tmp_path / "run.svg").read_text()


def test_the_table_names_shares_and_why_knobs_stayed() -> None:
    moved = Decision(0, {}, {"r1": 1.0}, {"r1": {"walk_g": 0.254, "step_d": -0.1}}, kept="")
    stayed = Decision(2, {}, {"r1": 1.0}, {}, kept="the generator took no step")
    shown = str(Report("mine", (moved, stayed), {})).splitlines()[-2:]
    assert shown == ["| 0 | 1 | r1: walk_g +0.25, step_d -0.10 |", "| 2 | 1 | kept: the generator took no step |"]


def test_learning_rates_are_those_of_the_optimisers() -> None:
    gan = PlainGAN.make(2e-4)
    rows = table(gan.control("cosine_rates", 400))
    assert (rows[0]["lr_g"], rows[0]["lr_d"]) == tuple(f"{rate:.3g}" for rate in gan.rates)


def test_a_schedule_saw_nothing_and_a_rule_what_it_follows() -> None:
    for schedule in ("cosine_rates", "rates_images"):  # the latter is told the learning rates
        assert "saw" not in table(PlainGAN.make().control(schedule, 100))[0]
    balanced = ("balanced_g", "balanced_d", "separation")
    for rule, shown in (("step_size", ("step_g", "step_d")), ("steady_walk", balanced)):
        gan = PlainGAN.make()
        control = gan.control(rule, 8)
        gan.run(control, 8)
        seen, last = control.report().decisions[-1].seen, table(control)[-1]
        assert last["saw"] == ", ".join(f"{name} {seen[name]:+.3g}" for name in shown)
        assert "why" not in last
