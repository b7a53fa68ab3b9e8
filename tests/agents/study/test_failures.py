"""Where the learned policy loses, against values worked out by hand."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from studies import Stub, episodes

from agents.study.failures import failures
from gan_env.config import env_config
from gan_env.mdp.instances import InstanceSet


def test_failures_are_the_instances_with_the_least_gain_over_all_trainings() -> None:
    """Three instances, two GAN seeds; the gains by instance are 1, -2 and 0."""
    study: Any = Stub({})
    against = [episodes([[0.0, end] for end in (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)])]
    learned = [episodes([[0.0, end] for end in (-1.0, 1.0, 1.0, -1.0, 3.0, -1.0)], crashed=[False] * 5 + [True])]
    found = failures(study, {"ppo": learned, "tuned_rates": against}, "ppo", "tuned_rates")
    assert found.against == "tuned_rates"
    assert [(one.index, one.gain) for one in found.worst] == [(1, -2.0), (2, 0.0), (0, 1.0)]
    assert [one.crashes for one in found.worst] == [0, 1, 0]
    assert found.worst[1].standard_error == pytest.approx(1.0)


def test_what_goes_with_the_gain_is_found_among_the_instances_fields() -> None:
    """The gain is larger the larger the discriminator's rate is beside the generator's."""
    study: Any = Stub({})
    instances = InstanceSet(env_config(**study.options.env), "test").instances[:3]
    ends = sorted(range(3), key=lambda i: instances[i].lr_d / instances[i].lr_g)
    learned = [episodes([[0.0, -float(ends.index(i))] for i in (0, 1, 2, 0, 1, 2)])]
    found = failures(study, {"ppo": learned, "tuned_rates": [episodes([[0.0, 0.0]] * 6)]}, "ppo", "tuned_rates")
    assert found.explained["lr_d / lr_g"].value == pytest.approx(1)
    assert {"lr_g", "lr_d", "num_samples", "batch_size", "width", "beta_1"} <= set(found.explained)


def test_gains_are_summed_up_by_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instance 0 is of one data set, 1 and 2 of another; its gain there is -1 on average, and differs by instance."""
    study: Any = Stub({})
    instances = InstanceSet(env_config(**study.options.env), "test").instances[:3]
    made = [replace(one, dataset=name) for one, name in zip(instances, ("ring", "moons", "moons"), strict=True)]
    monkeypatch.setattr("agents.study.failures.InstanceSet", lambda *_: SimpleNamespace(instances=made))
    against = [episodes([[0.0, 0.0]] * 6)]
    learned = [episodes([[0.0, end] for end in (-1.0, 2.0, 0.0, -1.0, 2.0, 0.0)])]
    found = failures(study, {"ppo": learned, "tuned_rates": against}, "ppo", "tuned_rates").datasets
    assert [(name, gain.value) for name, gain in found.items()] == [("ring", 1.0), ("moons", -1.0)]
    assert found["moons"].over_instances == (-2.0, 0.0)
    assert found["ring"].over_instances is None  # one instance says nothing of others
