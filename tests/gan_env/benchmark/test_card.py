"""Cards: a policy's score beside its opponents', on the same runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_protocol import SMALL

from gan_env import ConfigError, GANVectorEnv
from gan_env.benchmark import Card, enter
from gan_env.evaluation.runs import Runs
from gan_env.policies import load_policy
from gan_env.strict import to_dict


def card(name: str = "fixed", **options: Any) -> Card:
    return enter(SMALL, name, lambda env: load_policy(name).make(env), rows=8, compile=False, **options)


def test_constants_don_t_differ_from_constants() -> None:
    against = card().against["constants"]
    assert against["gain"]["value"] == 0
    assert against["p_better"]["value"] == 0.5


def test_rows_decide_nothing() -> None:
    alone = enter(SMALL, "cosine", lambda env: load_policy("cosine").make(env), rows=3, compile=False)
    assert alone.score == card("cosine").score
    assert alone.curve == card("cosine").curve


def test_a_policy_sees_what_it_asks_for_alone() -> None:
    seen = []

    def make(env: GANVectorEnv) -> Any:
        seen.append(env.config.observation)
        return load_policy("cosine").make(env)

    found = enter(SMALL, "cosine", make, ["progress", "knobs"], rows=8, compile=False)
    assert seen == [("progress", "knobs")]
    assert found.observation == ("progress", "knobs")
    assert found.score == card("cosine").score


def test_the_card_is_written_whole(tmp_path: Path) -> None:
    found = card("cosine", training=1000)
    found.write(tmp_path)
    read = json.loads((tmp_path / "card.json").read_text())
    assert read["sha256"] == SMALL.sha256
    assert read["cost"]["training"] == 1000
    assert read["score"]["value"] == pytest.approx(found.score["value"])
    text = (tmp_path / "card.txt").read_text()
    assert "over constants: gain" in text
    assert text.splitlines()[-1].startswith("| cosine | small |")


def searched(instances: list[dict[str, Any]], **changes: Any) -> Runs:
    """Two runs on each of some instances, far worse than any; of an environment with other options, if any."""
    env = {**to_dict(SMALL.make_env(1, compile=False).config), **changes}
    count = 2 * len(instances)
    column = np.arange(count)
    curve, blank = np.full((count, 4), 50.0, np.float32), np.zeros((count, 3), np.float32)
    return Runs(
        {"knobs": ["lr_g"], "instances": instances, "env": env}, np.full(count, "random"),
        column // 2, column % 2, column, np.full(count, 3), column < 0, blank[:, :, None],
        curve, curve, blank, blank, blank,
    )  # fmt: skip


def test_runs_of_searches_say_what_a_run_is_worth() -> None:
    instances = [vars(one) for one in SMALL.make_env(1, compile=False).instances.instances[:3]]
    found = card(runs=searched(instances))
    assert found.worth["random"]["at_least"] == 2
    assert "(95 %): 2 of random" in found.describe()


def test_runs_on_other_instances_are_refused() -> None:
    instances = [vars(one) for one in SMALL.make_env(1, compile=False).instances.instances[1:3]]
    with pytest.raises(ConfigError, match=r"^runs='2 instances' .*first instances of small"):
        card(runs=searched(instances))


@pytest.mark.parametrize("changes", [{"updates_per_decision": 9}, {"metric_samples": 48}], ids=str)
def test_runs_of_another_budget_or_metric_are_refused(changes: dict[str, Any]) -> None:
    instances = [vars(one) for one in SMALL.make_env(1, compile=False).instances.instances[:2]]
    (name,) = changes
    with pytest.raises(ConfigError, match=rf"^runs=\['{name}={changes[name]}'\] .*runs of small"):
        card(runs=searched(instances, **changes))
