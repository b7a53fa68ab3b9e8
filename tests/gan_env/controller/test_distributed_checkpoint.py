"""A controller's state in a checkpoint of `torch.distributed.checkpoint`, which reads into a state that is there."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from plain_gan import PlainGAN
from torch import distributed

from gan_env.controller import GANController

pytestmark = [
    pytest.mark.skipif(not distributed.is_available(), reason="this torch has no torch.distributed"),
    pytest.mark.filterwarnings("ignore:torch.distributed is disabled"),
]


@pytest.mark.parametrize("earlier", [0, 11])  # updates of the run that it is read into
@pytest.mark.parametrize("source", ["mine", "steady_walk"])
def test_a_run_goes_on_from_a_distributed_checkpoint(source: str, earlier: int, folder: Path, tmp_path: Path) -> None:
    """It has more decisions than the run that it is read into, or fewer."""
    from torch.distributed.checkpoint import load, save

    gan, again = PlainGAN.make(), PlainGAN.make(seed=1)
    controls = [made.control(folder if source == "mine" else source, 12) for made in (gan, again)]
    gan.run(controls[0], 7)
    again.run(controls[1], earlier)
    save({"control": controls[0]}, checkpoint_id=tmp_path / "checkpoint")
    load({"control": controls[1]}, checkpoint_id=tmp_path / "checkpoint")
    for name in ("generator", "discriminator", "opt_g", "opt_d"):
        getattr(again, name).load_state_dict(deepcopy(getattr(gan, name).state_dict()))
    assert decisions(gan, controls[0]) == decisions(again, controls[1])


def decisions(gan: PlainGAN, control: GANController) -> list[object]:
    """Of five more updates, and those before."""
    torch.manual_seed(0)
    gan.run(control, 5)
    return [vars(decision) for decision in control.report().decisions]
