"""What plays in a loop: schedules, rules and policies of somebody's own, by their names."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from controllers import saved_controller
from plain_gan import PlainGAN
from small_env import make

from gan_env import ConfigError, register_policy
from gan_env.config import EnvConfig
from gan_env.controller.player import _config, find_player
from gan_env.mdp.knobs import knob_table
from gan_env.policies import PolicyOptions, load_policy
from gan_env.policies.presets import ADAPTIVE, policy_names
from gan_env.policies.schedules import Anneal


def test_the_fixed_policy_leaves_a_loop_as_it_is(recwarn: pytest.WarningsRecorder) -> None:
    gan = PlainGAN.make()
    control, x = gan.control("fixed", 8), torch.randn(16, 1, 8, 8)
    gan.run(control, 8)
    assert gan.rates == [1e-3, 1e-3]
    assert control.get("r1", 10.0) == 10.0 and torch.equal(control.augment(x), x)
    assert not recwarn.list


@pytest.mark.parametrize("name", [name for name in policy_names() if not name.startswith("random")])
def test_every_schedule_and_rule_that_is_shipped_plays_in_a_loop(name: str) -> None:
    gan = PlainGAN.make()
    control = gan.control(name, 12)
    gan.run(control, 12)
    taken = control.report().decisions
    assert len(taken) == 3  # one in four updates
    options = load_policy(name)
    for decision in taken:
        assert decision.values and {*options.knobs, *options.table} <= set(decision.values)
        assert all(map(math.isfinite, decision.values.values()))


def test_a_rule_on_a_tuned_schedule_needs_the_logits_as_the_rule_alone_does() -> None:
    gan = PlainGAN.make()
    control = gan.control("tuned/points/ada_0", 8)
    gan.update()
    with pytest.raises(ConfigError, match=r"'tuned/points/ada_0' observes .*pass real=\.\.\. to observe"):
        control.step()


def test_a_speed_in_images_counts_the_batches_of_the_loop(tmp_path: Path) -> None:
    rule = tmp_path / "mine.yaml"
    rule.write_text("kind: ada\nrule: {target: -0.9, speed_images: 1280}\n")  # p always rises
    found = []
    for batch in (32, 64):
        gan = PlainGAN.make()
        control = gan.control(rule, 8, context={"batch_size": batch})  # decides before updates 0 and 4
        gan.run(control, 8)
        found.append(float(control["augment"]))
    assert found == pytest.approx([4 * 32 / 1280, 4 * 64 / 1280], rel=1e-3)
    PlainGAN.make().control(rule, 8, context={"batch_size": np.int64(64)})
    with pytest.raises(ConfigError, match=r"context=\{.* \['batch_size'\], too"):
        PlainGAN.make().control(rule, 8)


def test_a_controller_that_multiplies_the_rates_of_an_environments_rule_is_refused(tmp_path: Path) -> None:
    saved = saved_controller(decisions=4)
    replace(saved, env={**saved.env, "rates": "steady_walk"}).save(tmp_path)
    with pytest.raises(ConfigError, match=r"env\.rates='steady_walk' .*'given': a loop has no such rule"):
        PlainGAN.make().control(tmp_path, 8)


@pytest.mark.parametrize(("total", "later"), [(4996, None), (400, 4000)])
def test_a_speed_in_images_is_that_of_the_run_whatever_its_length(
    total: int, later: int | None, tmp_path: Path
) -> None:
    """After 200 updates of 32 images p is a fifth; 4,996 updates have 1,000 decisions, 4 or 5 updates apart."""
    rule = tmp_path / "mine.yaml"
    rule.write_text("kind: ada\nrule: {target: -0.9, speed_images: 32000}\n")
    gan = PlainGAN.make()
    control = gan.control(rule, total, context={"batch_size": 32})
    if later is not None:
        control.change_total_steps(later)
    gan.run(control, 201)
    assert float(control["augment"]) == pytest.approx(0.2, abs=0.006)


def test_a_policy_of_ones_own_plays_by_the_path_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("knobs: {lr_g: {kind: fixed, initial: 0.5}}\n")
    gan = PlainGAN.make(rate=2e-3)
    gan.run(gan.control(tmp_path / "mine.yaml", 8), 8)
    assert gan.rates == pytest.approx([1e-3, 2e-3])


def test_how_often_gradients_were_penalised_in_training_is_no_matter_of_the_loop(tmp_path: Path) -> None:
    saved = saved_controller(decisions=4)  # of 50 updates each
    replace(saved, env={**saved.env, "penalty_every": 5}).save(tmp_path)
    assert find_player(tmp_path, 4 * 13).loop.config.updates_per_decision == 13


def test_a_rule_observes_what_its_targets_depend_on_and_no_more() -> None:
    schedule = {"kind": "fixed", "initial": 0.01}
    plain = PolicyOptions("step_size", {"lr_g": schedule})
    balanced = PolicyOptions("step_size", {"r1": schedule, "lr_g": schedule}, rule={"unit": "balanced"})
    assert _config(plain, 400, ("hinge",)).observation == EnvConfig.observation
    assert _config(balanced, 400, ("hinge",)).observation == (*EnvConfig.observation, "balance", "balanced")


def test_both_rates_fall_by_a_cosine() -> None:
    gan = PlainGAN.make(rate=2e-4)
    control = gan.control("cosine_rates", 400)
    gan.run(control, 200)
    assert gan.rates == pytest.approx([2e-4 * (0.01 + 0.99 / 2)] * 2, rel=0.05)
    gan.run(control, 200)
    assert gan.rates == pytest.approx([2e-6] * 2, rel=0.05)


def test_a_rule_by_the_sign_is_refused_where_the_loss_has_none() -> None:
    with pytest.raises(ConfigError, match=r"^context\['loss'\]='wasserstein' can't be used: expected one of .*'hinge'"):
        PlainGAN.make().control("ada", 8, context={"loss": "wasserstein"})
    PlainGAN.make().control("ada", 8, context={"loss": "least_squares"})


@pytest.mark.parametrize("name", ["cosine", "linear", "exponential"])
def test_schedules_are_played_as_they_are_written(name: str) -> None:
    gan = PlainGAN.make()
    control = gan.control(name, 200)
    seen = []
    for _ in range(200):
        seen.append(float(control["r1"]))
        gan.run(control, 1)
    shape = load_policy(name).knobs["r1"]
    expected = Anneal(**shape).values([update // 4 / 49 for update in range(200)])
    assert seen == pytest.approx(expected.tolist(), rel=1e-3, abs=1e-4)
    assert gan.rates == [1e-3, 1e-3]  # which the schedule doesn't name


def test_ada_raises_augmentation_while_the_discriminator_is_sure() -> None:
    gan = PlainGAN.make()
    control = gan.control("ada", 100)
    path = []
    for update in range(100):
        gan.update(control)
        sure = torch.full((16, 1), 3.0 if update < 50 else -3.0)
        control.observe(real=sure)
        control.step()
        path.append(float(control["augment"]))
    assert path[40] == 1 and path[-1] == 0
    assert np.diff(path[:50]).min() > -1e-6 and np.diff(path[50:]).max() < 1e-6


def test_step_sizes_are_held_whatever_rates_the_optimisers_were_given() -> None:
    """The loop shows nothing for it: steps and weights are the optimisers' own."""
    shape = load_policy("step_size").knobs["lr_g"]
    for rate in (2e-6, 2e-4, 5e-3):
        gan = PlainGAN.make(rate)
        control = gan.control("step_size", 400)
        for _ in range(400):
            gan.update()
            control.step()
        seen = [decision.seen["step_g"] for decision in control.report().decisions[-20:]]
        target = np.log10(Anneal(**shape).values(np.arange(79, 99) / 99))  # of the intervals before these decisions
        assert np.mean(seen) == pytest.approx(np.mean(target), abs=0.1)


def test_a_tuned_schedule_of_rates_undoes_the_loops_own() -> None:
    shape = load_policy("tuned/points/rates_0").knobs["lr_g"]
    expected = Anneal(**shape).values(15 / 24)
    for rate in (1e-6, 1e-3, 1.0):
        gan = PlainGAN.make(rate)
        control = gan.control("tuned/points/rates_0", 100)
        gan.run(control, 60)
        assert len(control.report().decisions) == 16
        assert gan.rates[0] == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("policy", ["rates_images", "cosine_rates"])
def test_a_state_of_knobs_with_other_bounds_is_refused(policy: str) -> None:
    """It holds coordinates, which would be other learning rates."""
    state = PlainGAN.make().control(policy, 100).state_dict()
    PlainGAN.make().control(policy, 100).load_state_dict(state)
    state["interface"]["knobs"][0][2] *= 10
    own = r"\[\['lr_g', [^\]]*\]\]"  # not lr_d, which is as it was
    with pytest.raises(ConfigError, match=rf"^the controller's state: knobs={own} can't be used: expected {own} \(bes"):
        PlainGAN.make().control(policy, 100).load_state_dict(state)


def test_a_state_of_a_version_with_other_statistics_is_refused() -> None:
    state = PlainGAN.make().control("ada", 100).state_dict()
    state["interface"]["averages"].remove("logit_after")
    with pytest.raises(ConfigError, match=r"^the controller's state: averages=\[\] .* expected \['logit_after'\] \("):
        PlainGAN.make().control("ada", 100).load_state_dict(state)
    observed = state["interface"] = PlainGAN.make().control("ada", 100).state_dict()["interface"]
    observed["observation"].reverse()  # the order counts
    with pytest.raises(ConfigError, match=r"^the controller's state: observation=\[\]"):
        PlainGAN.make().control("ada", 100).load_state_dict(state)


@pytest.mark.parametrize(("state", "found"), [({}, r"\[\]"), ({"a": 1}, r"\['a'\]"), (None, "'NoneType'")])
def test_what_is_no_state_of_a_controller_is_refused(state: Any, found: str) -> None:
    with pytest.raises(ConfigError, match=rf"^the controller's state={found} .* expected that of a GANController"):
        PlainGAN.make().control("ada", 100).load_state_dict(state)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("steady_wal", r"can't be found: did you mean 'steady_walk'\?"),
        ("family", r"can't be found: did you mean 'learned/family'\?"),
        ("nothing like it", r"can't be found: expected a folder with controller\.json, .* learned/family, ada"),
        ("folder", r"can't be found: the folder has no controller\.json"),
        ("adas", r"can't be found: the folder has no controller\.json.*; or did you mean 'ada'\?"),
        ("gan.py", r"can't be found: a policy's file ends in \.yaml"),
        (None, r"can't be used: expected a policy's name"),
    ],
)
def test_what_is_no_policy_is_refused_with_what_may_be_meant(
    source: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("folder", "adas"):
        (tmp_path / folder).mkdir()
    (tmp_path / "gan.py").touch()
    with pytest.raises(ConfigError, match=f"^controller={source!r} {message}"):
        PlainGAN.make().control(source, 8)


class Still:
    """Moves nothing."""

    def __init__(self, env: Any) -> None:
        self.knobs = len(env.config.knobs)

    def predict(self, observation: Any, *_: Any, **__: Any) -> Any:
        return np.zeros((len(observation), self.knobs), np.float32), None


def test_a_registered_policy_that_moves_nothing_leaves_the_knobs_where_runs_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ADAPTIVE, "still", Still)
    gan = PlainGAN.make()
    control = gan.control("still", 24)
    gan.run(control, 24)
    assert gan.rates == [1e-3, 1e-3]
    table = knob_table()
    for name in EnvConfig.knobs:
        assert float(control[name]) == pytest.approx(table[name].initial_value, rel=1e-5)


@pytest.mark.usefixtures("tables_as_they_were")
def test_the_registered_policy_of_the_page_moves_knobs_in_a_loop_as_in_an_environment() -> None:
    page = (Path(__file__).parents[3] / "docs/extend.md").read_text()
    names: dict[str, Any] = {"np": np}
    exec(page[page.index("class Push:") : page.index("gan_env.register_schedule(")], names)
    register_policy("push", names["Push"])
    env = make(1)
    observation, _ = env.reset(seed=0)
    *_, infos = env.step(load_policy("push").make(env).predict(observation)[0])
    gan = PlainGAN.make()
    control = gan.control("push", 12)
    assert gan.rates == pytest.approx([1e-3 * infos[f"knob_{name}"][0] for name in ("lr_g", "lr_d")])
    assert gan.rates[0] > 2e-3
    for name in env.config.knobs:
        assert float(control[name]) == pytest.approx(infos[f"knob_{name}"][0])


def test_the_policy_of_the_benchmarks_page_plays_in_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs/benchmark.md").read_text()
    names: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)
    monkeypatch.setitem(ADAPTIVE, "halves", names["make"])
    gan = PlainGAN.make()
    gan.run(gan.control("halves", 12), 12)
    assert gan.rates == pytest.approx([1e-3 * 10**-0.3] * 2)


@pytest.mark.parametrize(("updates", "decisions"), [(1, 1), (5, 5), (13, 12), (500, 12)])
def test_a_registered_policy_decides_as_often_as_in_an_environment(
    updates: int, decisions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ADAPTIVE, "still", Still)
    assert find_player("still", updates).loop.config.num_decisions == decisions


def test_the_controller_that_comes_with_gan_env_plays_by_its_name() -> None:
    """It asks for sizes of steps: both rates leave what they were, which is far too little."""
    name, gan = "learned/family", PlainGAN.make(rate=1e-6)
    gan.run(control := gan.control(name, 400), 400)
    assert min(gan.rates) > 1e-5
    assert str(control.report()).startswith(f"{name}: 400 of 400 updates")
