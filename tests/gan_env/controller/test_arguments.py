"""What a loop shows: what is asked for, what is refused, and what is not finite."""

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from controllers import CONTEXT, KNOWN, saved_controller
from plain_gan import PlainGAN

import gan_env
from gan_env import ConfigError
from gan_env.controller.arguments import needed
from gan_env.controller.moments import Past
from gan_env.gan.losses import LOSSES
from gan_env.mdp.knobs import RATES
from gan_env.mdp.probe import fields_read
from gan_env.mdp.statistics import statistics
from gan_env.records import Quality, TrainStats


@pytest.mark.parametrize("argument", ["loss_d", "loss_g", "penalty"])
def test_what_the_controller_observes_and_the_loop_does_not_show_is_asked_for(folder: Path, argument: str) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    shown = gan.update(control)
    del shown[argument]
    control.observe(**shown)
    with pytest.raises(
        ConfigError, match=rf"'mine' observes what the loop doesn't show: pass {argument}=\.\.\. to obs"
    ):
        control.step()


def test_what_is_known_before_training_is_asked_for_when_it_is_made(tmp_path: Path) -> None:
    groups = ("progress", "knobs", "logits", "validation", "losses", "gradients", "slope", "quality", "context")
    saved_controller(decisions=4, observation=groups).save(tmp_path)
    gan = PlainGAN.make()
    with pytest.raises(ConfigError, match=r"context=.*expected \['num_samples', 'batch_size', .*, 'loss.*\], too"):
        gan.control(tmp_path, 8)
    with pytest.raises(ConfigError, match=r"context\['width_g'\]='wide' can't be used: expected a number above 0"):
        gan.control(tmp_path, 8, context={"width_g": "wide"})
    with pytest.raises(ConfigError, match=r"context='rate' .*'num_samples'"):
        gan.control(tmp_path, 8, context={"rate": 1.0})
    with pytest.raises(ConfigError, match=r"context='lr_g' .*expected one of"):  # the optimisers' own
        gan.control(tmp_path, 8, context={"lr_g": 1e-3})
    with pytest.raises(ConfigError, match=r"context\['loss'\]=\['hinge'\] .*expected one of"):
        gan.control(tmp_path, 8, context={"loss": ["hinge"]})
    context = dict(CONTEXT)
    with pytest.raises(ConfigError, match=r"pass clean=\.\.\., held_out=\.\.\., metric=\.\.\., spread=\.\.\. to load"):
        gan.control(tmp_path, 8, context=context)
    assert gan.rates == [1e-3, 1e-3] and not gan.opt_d._optimizer_step_pre_hooks  # what is refused changes nothing
    untrained = {"clean": torch.zeros(3), "held_out": torch.ones(3), "metric": 2.0, "spread": 0.5}
    with pytest.raises(ConfigError, match=r"untrained=\['metric'\] .*expected finite numbers"):
        gan.control(tmp_path, 8, context=context, untrained={**untrained, "metric": math.nan})
    seen = gan.control(tmp_path, 8, context=context, untrained=untrained).report().decisions[0].seen
    assert seen["overfitting"] == pytest.approx(-math.log(2))
    assert seen["log_metric"] == pytest.approx(math.log(2), abs=1e-5)
    assert seen["num_samples"] == pytest.approx(0)
    assert seen["lr_g"] == pytest.approx(0, abs=1e-6) and seen["beta_1"] == 0.5


@pytest.mark.parametrize(
    ("statistic", "averages"),
    [
        ("progress", []),
        ("knob_lr_g", []),
        ("size_g", []),
        ("num_samples", []),
        ("sign_real", ["sign_real"]),
        ("spread_d", ["loss_d"]),
        ("step_d", ["square_step_d"]),
        ("align_g", ["align_g"]),
        ("grad_g_change", ["square_grad_g"]),
        ("overfitting", ["clean_held_out", "clean_train"]),
        ("variety", ["logit_fake", "logit_real", "square_logit_fake", "square_logit_real"]),
        ("push_d", ["logit_after", "logit_fake", "logit_real", "square_logit_fake", "square_logit_real"]),
        ("above_best", ["metric"]),
        ("collapse", ["spread"]),
    ],
)
def test_what_a_statistic_is_computed_from(statistic: str, averages: list[str]) -> None:
    (found,) = (s for s in statistics(RATES, list(LOSSES)) if s.name == statistic)
    assert sorted(needed(fields_read({statistic: found.compute}, len(RATES)))) == averages


def test_it_is_known_of_every_field_what_it_is_made_of() -> None:
    """A field that is forgotten would be zeros in a loop, without a word."""
    known = {field.name for record in (TrainStats, Quality, Past) for field in fields(record)}
    assert [name for name in known - {"finite", "extras"} if not needed([name])] == []


@pytest.mark.usefixtures("tables_as_they_were")
def test_what_a_statistic_of_ones_own_reads_is_asked_for(tmp_path: Path) -> None:
    gan_env.register_statistic("margin", lambda m: m.stats.logit_real - m.stats.logit_fake)
    gan_env.register_statistic("gap", lambda m: m.stats.clean_train / m.settings.num_samples)
    saved_controller(decisions=4, observation=("margin", "gap")).save(tmp_path)
    gan = PlainGAN.make()
    with pytest.raises(ConfigError, match=r"context=.*expected \['num_samples'\], too"):
        gan.control(tmp_path, 8)
    context = {"num_samples": 100}
    with pytest.raises(ConfigError, match=r"pass clean=\.\.\. to load\("):
        gan.control(tmp_path, 8, context=context)
    control = gan.control(tmp_path, 8, context=context, untrained={"clean": torch.ones(3)})
    gan.update()
    with pytest.raises(
        ConfigError, match=r"'.*' observes what the loop doesn't show: pass real=\.\.\., fake=\.\.\. to obs"
    ):
        control.step()


@pytest.mark.usefixtures("tables_as_they_were")
def test_a_statistic_of_ones_own_that_fails_is_told(tmp_path: Path) -> None:
    gan_env.register_statistic("mine", lambda m: m.stats.loss_d)
    saved_controller(decisions=4, observation=("mine",)).save(tmp_path)
    gan_env.mdp.statistics.REGISTERED.clear()
    gan_env.register_statistic("mine", lambda m: m.stats.nothing)
    with pytest.raises(ConfigError, match="the statistic 'mine' fails with AttributeError"):
        PlainGAN.make().control(tmp_path, 8)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ({"real": [1.0, 2.0]}, r"observe\(real=\.\.\.\)='list'.*a tensor of the discriminator's logits"),
        ({"fake": torch.tensor([1, 2])}, r"observe\(fake=\.\.\.\)='torch.int64 of shape \(2,\)'"),
        ({"real": torch.zeros(0, 1)}, r"observe\(real=\.\.\.\)='torch.float32 of shape \(0, 1\)'"),
        ({"loss_d": torch.zeros(3)}, r"observe\(loss_d=\.\.\.\)=.*shape \(3,\).*one number"),
        ({"loss_g": "high"}, r"observe\(loss_g=\.\.\.\)=.*one number"),
        ({"logits": torch.zeros(3)}, r"observe='logits' .*'real', 'fake'"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(shown: dict[str, Any], message: str) -> None:
    control = PlainGAN.make().control("ada", 8)
    with pytest.raises(ConfigError, match=message):
        control.observe(**shown)


def test_graphs_and_precisions_do_not_matter(sees_logits: Path) -> None:
    """Logits of any shape in half precision, with their graphs, which are let go."""
    gan = PlainGAN.make()
    control = gan.control(sees_logits, 4, untrained=KNOWN)
    gan.update(control)
    patches = torch.full((2, 1, 3, 3), 0.5, dtype=torch.bfloat16, requires_grad=True)
    control.observe(real=patches * 2, fake=patches, loss_d=patches.mean(), loss_g=0.25)
    control.step()
    seen = control.report().decisions[1].seen
    assert seen["logit_real"] == pytest.approx(math.log(2)) and seen["sign_fake"] == 1
    assert seen["loss_d"] == pytest.approx(math.log(1.5)) and not control._averages.sums.requires_grad


def test_fakes_after_the_discriminators_step_are_asked_for_where_they_are_observed(tmp_path: Path) -> None:
    saved_controller(decisions=4, observation=("response",)).save(tmp_path)
    gan = PlainGAN.make()
    control = gan.control(tmp_path, 8)
    shown = gan.update(control)
    del shown["fake_after"]
    control.observe(**shown)
    with pytest.raises(ConfigError, match=r"pass fake_after=\.\.\. to observe"):
        control.step()


def test_logits_that_are_nan_are_left_out_of_the_shares(tmp_path: Path) -> None:
    saved_controller(decisions=4, observation=("response",)).save(tmp_path)
    gan = PlainGAN.make()
    control = gan.control(tmp_path, 8)
    none = torch.full((4,), math.nan)
    with pytest.warns(UserWarning, match="nothing finite was shown of"):
        gan.run(control, 2, real=none, fake=none, fake_after=none)
    assert control.report().decisions[1].kept


def test_logits_that_are_nan_have_no_sign(recwarn: pytest.WarningsRecorder) -> None:
    """ADA's augmentation stays where it was."""
    gan = PlainGAN.make()
    control = gan.control("ada", 400)
    gan.run(control, 40, real=torch.full((4,), 3.0))
    before = float(control["augment"])
    gan.run(control, 40, real=torch.tensor([3.0, torch.nan]))
    assert 0 < before == float(control["augment"])
    assert any("nothing finite was shown of real" in str(warning.message) for warning in recwarn)


@pytest.mark.parametrize(("loss", "shares"), [(None, (0.5, 0.25)), ("hinge", (0.75, 0.5)), ("wasserstein", (0.0, 0.0))])
def test_the_loss_says_where_the_discriminator_is_sure(
    tmp_path: Path, loss: str | None, shares: tuple[float, float]
) -> None:
    """Beyond log 9 = 2.2 the non-saturating loss is flat, the hinge loss from 1 on, that of Wasserstein nowhere."""
    saved_controller(decisions=4, observation=("response",)).save(tmp_path)
    gan = PlainGAN.make()
    control = gan.control(tmp_path, 4, context={} if loss is None else {"loss": loss})
    gan.update(control)
    real, fake = torch.tensor([3.0, 2.3, 1.5, -3.0]), torch.tensor([-3.0, -1.5, 0.5, 3.0])
    control.observe(real=real, fake=fake, fake_after=fake - 0.1)
    control.step()
    seen = control.report().decisions[1].seen
    assert (seen["saturated_real"], seen["saturated_fake"]) == shares
    spread = math.sqrt((real.var(correction=0) + fake.var(correction=0)) / 2)
    assert seen["push_d"] == pytest.approx(math.log(1 + 10 * 0.1 / spread), abs=1e-5)


def test_the_loss_of_a_state_counts_where_none_is_given(tmp_path: Path) -> None:
    """It says which logits are beyond D's flat part: 1 with hinge, log 9 without."""
    saved_controller(decisions=4, observation=("response",)).save(tmp_path)
    control = PlainGAN.make().control(tmp_path, 4, context={"loss": "hinge"})
    gan = PlainGAN.make()
    again = gan.control(tmp_path, 4)
    again.load_state_dict(control.state_dict())
    logits = torch.tensor([1.5, 0.5])
    gan.run(again, 1, real=logits, fake=-logits, fake_after=-logits)
    seen = again.report().decisions[1].seen
    assert seen["saturated_real"] == seen["saturated_fake"] == 0.5


def test_several_steps_of_the_discriminator_count_each(sees_logits: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(sees_logits, 4, untrained=KNOWN)
    gan.update(control)
    for value in (1.0, 2.0, 3.0):
        control.observe(real=torch.tensor([value]), fake=torch.tensor([-value]), loss_d=value)
    control.observe(loss_g=0.5)
    control.step()
    seen = control.report().decisions[1].seen
    assert seen["logit_real"] == pytest.approx(math.log(3)) and seen["loss_d"] == pytest.approx(math.log(3))
    assert seen["spread_d"] == pytest.approx(math.log10(math.sqrt(2 / 3)), abs=1e-4)
    assert seen["spread_g"] == pytest.approx(-6, abs=1)


def test_what_is_not_finite_is_left_out(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 1)
    before = gan.update(control)
    control.observe(**{**before, "loss_d": math.nan, "real": torch.tensor([math.inf, 1.0])})
    control.step()
    assert all(math.isfinite(value) for value in control.report().decisions[1].seen.values())


def test_where_nothing_is_finite_the_knobs_stay_and_that_is_said(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 2)
    before = [gan.rates, float(control["r1"])]
    with pytest.warns(UserWarning, match="nothing finite was shown of loss_d, in an interval that ended at update 4"):
        gan.run(control, 2, loss_d=math.nan)
    assert [gan.rates, float(control["r1"])] == before
    assert control.report().decisions[2].kept
    gan.run(control, 4)  # and it goes on
    assert gan.rates != before[0]
