"""What a controller saves of a run, and how the run continues from it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from controllers import CONTEXT, saved_controller
from plain_gan import PlainGAN

from gan_env import ConfigError
from gan_env.saved_controller import Layer, Network, SavedController


def test_a_run_goes_on_from_its_state_as_if_nothing_had_happened(folder: Path, tmp_path: Path) -> None:
    """The state is saved and read as checkpoints are: with `weights_only`."""
    through, before, after = PlainGAN.make(), PlainGAN.make(), PlainGAN.make(seed=1)
    whole, part = through.control(folder, 12), before.control(folder, 12)
    for gan, control, updates in ((through, whole, 12), (before, part, 5)):
        torch.manual_seed(7)
        for _ in range(updates):
            gan.run(control, 1)
    parts = {name: getattr(before, name).state_dict() for name in ("generator", "discriminator", "opt_g", "opt_d")}
    torch.save({**parts, "control": part.state_dict(), "rng": torch.get_rng_state()}, tmp_path / "checkpoint.pt")
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    torch.manual_seed(7)
    for _ in range(5):  # the random numbers of the first five updates
        torch.randn(16, 2), torch.randn(16, 4)
    control = after.control(folder, 12)
    for name in parts:
        getattr(after, name).load_state_dict(state[name])
    control.load_state_dict(state["control"])
    after.run(control, 7)
    assert [vars(d) for d in control.report().decisions] == [vars(d) for d in whole.report().decisions]
    assert after.rates == through.rates


def test_a_controller_that_is_made_after_the_optimisers_went_on_knows_their_first_rates(tmp_path: Path) -> None:
    """As Lightning does it: rates in the optimisers' state are those that a controller had written."""
    saved_controller(observation=("progress", "knobs", "losses", "context")).save(tmp_path)
    context = dict(CONTEXT)
    before, after = PlainGAN.make(), PlainGAN.make()
    control = before.control(tmp_path, 8, context=context)
    before.run(control, 5)
    for name in ("opt_g", "opt_d"):
        getattr(after, name).load_state_dict(getattr(before, name).state_dict())
    again = after.control(tmp_path, 8, context=context)
    again.load_state_dict(control.state_dict())
    assert after.rates == before.rates
    after.run(again, 1)
    assert again.report().decisions[3].seen["lr_g"] == pytest.approx(0, abs=1e-6)
    again.remove()
    assert after.rates == pytest.approx([1e-3, 1e-3])


def test_the_state_of_another_policy_is_refused(folder: Path) -> None:
    state = PlainGAN.make().control("ada", 8).state_dict()
    control = PlainGAN.make().control(folder, 8)
    with pytest.raises(ConfigError, match=r"^the controller's state: policy='ada' can't be used: expected 'mine'$"):
        control.load_state_dict(state)
    whole = control.state_dict()
    with pytest.raises(ConfigError, match=r"controller's state=.*expected \['clock'\], too"):
        control.load_state_dict({name: value for name, value in whole.items() if name != "clock"})


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("averages", {}), ("clock", {"step": 1}), ("coordinates", torch.zeros(1, 9)), ("past", {}), ("network", {}),
        ("optimisers", {}),
    ],
)  # fmt: skip
def test_a_damaged_state_is_refused_and_changes_nothing(folder: Path, part: str, value: Any) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 4)
    before = control.state_dict()
    with pytest.raises(ConfigError, match=rf"the controller's state\.{part}"):
        control.load_state_dict({**before, part: value})
    after = control.state_dict()
    assert after["clock"] == before["clock"] and after["history"] == before["history"]


def test_the_state_of_a_policys_file_is_continued_wherever_the_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text("knobs: {lr_g: {kind: fixed, initial: 0.5}}\n")
    state = PlainGAN.make().control(tmp_path / "mine.yaml", 8).state_dict()
    monkeypatch.chdir(tmp_path)
    PlainGAN.make().control("mine.yaml", 8).load_state_dict(state)


def test_a_run_that_was_cut_to_fewer_updates_than_decisions_continues_from_its_state() -> None:
    gan = PlainGAN.make()
    control = gan.control("cosine_rates", 80)  # 20 decisions
    gan.run(control, 8)
    control.change_total_steps(15)
    again = PlainGAN.make().control("cosine_rates", 80)
    with pytest.warns(UserWarning, match="total_steps=80 is overwritten"):
        again.load_state_dict(control.state_dict())
    assert "8 of 15 updates" in str(again.report())


def test_a_state_of_another_length_says_so(folder: Path) -> None:
    long, gan, short = (PlainGAN.make() for _ in range(3))
    state = long.control(folder, 40).state_dict()
    control = gan.control(folder, 80)
    with pytest.warns(UserWarning, match=r"total_steps=80 is overwritten.*40"):
        control.load_state_dict(state)
    assert "of 40 updates" in str(control.report())
    of_schedule = PlainGAN.make().control("cosine_rates", 400).state_dict()
    with pytest.raises(ConfigError, match=r"total_steps=80 .*400, as when the state was saved"):
        short.control("cosine_rates", 80).load_state_dict(of_schedule)


def test_a_state_of_another_network_is_refused_and_changes_nothing(folder: Path, tmp_path: Path) -> None:
    other = SavedController.load(folder)
    layers: list[Layer] = [("lstm", len(other.interface.observation), 4), ("linear", 4, 3)]
    network = Network(layers, len(other.interface.observation), 5.0)
    replace(other, network=network).save(tmp_path / "other" / folder.name)
    gan, of_other = PlainGAN.make(), PlainGAN.make().control(tmp_path / "other" / folder.name, 8)
    control = gan.control(folder, 8)
    before = gan.rates
    with pytest.raises(ConfigError, match=r"the controller's state: network=.*lstm"):
        control.load_state_dict(of_other.state_dict())
    assert gan.rates == before
