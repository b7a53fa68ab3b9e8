"""A controller's files give it back exactly, run no code, and say in one line what is wrong with them."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import gan_env
from gan_env import ConfigError, DynamicParameter
from gan_env.saved_controller import (
    DESCRIPTION,
    VERSION,
    WEIGHTS,
    Adaptation,
    Interface,
    Knob,
    Layer,
    Network,
    SavedController,
    forget,
)

F = 3
LAYERS: list[Layer] = [("linear", F, 6), ("relu",), ("lstm", 6, 5), ("tanh",), ("lstm", 5, 4), ("linear", 4, 2)]
KNOBS = (Knob("r1", 1.0, (0.0, 30.0), "log", 0.003, 0.0), Knob("lr_g", 1.0, (0.01, 10.0), "log", 0.0, 1.0))


def network(layers: list[Layer] = LAYERS, clip: float | None = 2.0) -> Network:
    torch.manual_seed(0)
    made = Network(layers, F, clip)
    made.mean = torch.tensor([0.1, 0.2, 1 / 3], dtype=torch.float64)
    made.std = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    return made


def controller(**given: Any) -> SavedController:
    interface = Interface(("progress", "loss_d", "loss_g"), KNOBS, "action", "delta", 0.2, 1.0, 12)
    how = {"script": "ppo", "agent": {"hidden": [6]}, "seed": 3}
    return SavedController(**{"network": network(), "interface": interface, "env": {}, "training": how, **given})


@pytest.mark.parametrize("adaptation", [None, Adaptation(steps=2, rate=0.5, window=10, samples=64)])
def test_everything_comes_back(adaptation: Adaptation | None, tmp_path: Path) -> None:
    env = {"preset": "points", "instances": {"lr_g": [1e-4, 1 / 3]}, "max_first_change": None}
    made = controller(env=env, adaptation=adaptation)
    made.save(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [DESCRIPTION, WEIGHTS]
    loaded = SavedController.load(str(tmp_path))
    for name in ("interface", "env", "training", "adaptation"):
        assert getattr(loaded, name) == getattr(made, name)
    assert loaded.network.description == made.network.description and loaded.network.clip == made.network.clip
    for name, tensor in made.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor)


def test_a_saved_knob_is_a_knob_of_the_environment() -> None:
    for knob in KNOBS:
        assert DynamicParameter(**vars(knob)).bounds == knob.bounds


ALONE = """
import sys, types

package = types.ModuleType("gan_env")  # without what its __init__ imports
package.__path__ = [sys.argv[1]]
sys.modules["gan_env"] = package
import torch, safetensors.torch, numpy
theirs = set(sys.modules)
from gan_env.saved_controller import Path, SavedController

network = SavedController.load(Path(sys.argv[2])).network
print(list(network(torch.ones(1, 3), network.blank(1))[0].shape))
print(sorted(name for name in set(sys.modules) - theirs if "." not in name and name not in sys.stdlib_module_names))
print(sorted(name for name in sys.modules if name.startswith("gan_env.")))
"""


def test_reading_needs_torch_numpy_and_safetensors_alone(tmp_path: Path) -> None:
    controller().save(tmp_path)
    arguments = [sys.executable, "-c", ALONE, str(Path(gan_env.__file__).parent), str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shape, others, ours = done.stdout.splitlines()
    assert (shape, others) == ("[1, 2]", "[]")
    assert ours == str(["gan_env.errors", "gan_env.files", "gan_env.saved_controller"])


# --- the network ---


def test_observations_are_centred_scaled_and_clipped_in_double_precision() -> None:
    made = network([], clip=1.0)
    seen = torch.tensor([[0.6, 9.0, -9.0], [1 / 3] * 3])
    exact = (seen.double() - made.mean) / made.std
    assert torch.equal(made(seen, ())[0], exact.clamp(-1, 1).float())
    assert torch.equal(network([], clip=None)(seen, ())[0], exact.float())


@given(seed=st.integers(0, 1000), row=st.integers(0, 3), start=st.lists(st.booleans(), min_size=4, max_size=4))
def test_rows_do_not_mix_and_forget_their_own_memory_alone(seed: int, row: int, start: list[bool]) -> None:
    made, generator = network(), torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, 4, F, generator=generator)
    _, memory = made(first, made.blank(4))
    assert [part.shape for part in memory] == [(4, 5), (4, 5), (4, 4), (4, 4)]
    output, _ = made(second, forget(memory, torch.tensor(start)))
    one = slice(row, row + 1)
    own = made.blank(1) if start[row] else tuple(part[one] for part in memory)
    torch.testing.assert_close(output[one], made(second[one], own)[0])


def test_both_lstms_remember() -> None:
    made, x = network(), torch.ones(1, F)
    blank = made.blank(1)
    _, memory = made(x, blank)
    outputs = [made(x, (*first, *second))[0] for first in (blank[:2], memory[:2]) for second in (blank[2:], memory[2:])]
    assert len({tuple(output.flatten().tolist()) for output in outputs}) == 4


def test_forgetting_clears_what_is_not_a_number_too() -> None:
    memory = (torch.tensor([[torch.nan], [2.0]]),)
    assert torch.equal(forget(memory, torch.tensor([True, False]))[0], torch.tensor([[0.0], [2.0]]))


# --- the network of modules ---

MEAN, STD = torch.tensor([0.1, 0.2, 1 / 3]), torch.tensor([1.0, 2.0, 0.5])


def test_modules_act_as_they_did_after_the_normalisation() -> None:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(F, 6), nn.Tanh(), nn.Linear(6, 5, bias=False))
    outer = nn.Sequential(inner, nn.ReLU(), nn.Linear(5, 2), nn.Sigmoid())
    x = 4 * torch.randn(10, F)
    expected = outer(((x - MEAN) / STD).clamp(-2, 2))
    for modules in (outer, [inner, list(outer)[1:]], nn.ModuleList(outer)):
        torch.testing.assert_close(Network.of(modules, MEAN, STD, 2.0)(x, ())[0], expected)


@pytest.mark.parametrize("bias", [True, False])
def test_a_cell_and_an_lstm_of_one_layer_remember_alike(bias: bool) -> None:
    torch.manual_seed(0)
    lstm, head, sequence = nn.LSTM(F, 4, bias=bias), nn.Linear(4, 2), torch.randn(5, 1, F)
    cell = nn.LSTMCell(F, 4, bias=bias)
    cell.load_state_dict({name.removesuffix("_l0"): tensor for name, tensor in lstm.state_dict().items()})
    expected = head(lstm(sequence)[0])
    for recurrent in (lstm, cell):
        made = Network.of([recurrent, head], torch.zeros(F), torch.ones(F))
        memory = made.blank(1)
        for x, wanted in zip(sequence, expected, strict=True):
            output, memory = made(x, memory)
            torch.testing.assert_close(output, wanted)


def test_training_a_module_further_does_not_change_the_network() -> None:
    linear = nn.Linear(F, 2)
    made = Network.of(linear, MEAN, STD)
    before = made(torch.ones(1, F), ())[0]
    nn.init.zeros_(linear.weight)
    assert torch.equal(made(torch.ones(1, F), ())[0], before)


class Own(nn.Linear):
    """May act in another way than a linear layer."""


class Residual(nn.Sequential):
    """Has modules that act one after the other, and an act of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)


@pytest.mark.parametrize(
    "module", [nn.GELU(), Own(6, 6), Residual(nn.Tanh()), nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6)), 3]
)
def test_a_layer_of_an_unknown_kind_is_refused(module: Any) -> None:
    kind = type(module).__name__
    known = "Linear, LSTMCell, Tanh, ReLU, Sigmoid, LSTM"
    with pytest.raises(ConfigError, match=f"^layer 1 of the network='{kind}' can't be used: expected one of {known}$"):
        Network.of([nn.Linear(F, 6), module], MEAN, STD)


@pytest.mark.parametrize("options", [{"num_layers": 2}, {"bidirectional": True}, {"proj_size": 2}])
def test_an_lstm_with_more_than_a_cell_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^layer 0 of the network: its weights=\['.*none but weight_ih, weight_hh"):
        Network.of(nn.LSTM(F, 4, **options), MEAN, STD)


# --- controllers that can't be saved ---


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([("linear", F + 1, 2)], r"layer 0 .*\('linear', 4, 2\).* expected 3 inputs, one for each statistic that is"),
        ([("lstm", F, 6), ("tanh",), ("linear", 5, 2)], r"layer 2 .* expected 6 inputs, one for each output of layer"),
        ([("linear", F, 6), ("relu",)], r"outputs of the network=6 .* expected 2, one for each knob of \['r1', 'lr_"),
        ([], r"outputs of the network=3 .* expected 2"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(layers: list[Layer], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^the controller has parts that don't fit each other: {said}"):
        controller(network=Network(layers, F)).save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_normalisation_of_another_length_is_not_saved(tmp_path: Path) -> None:
    made = network()
    made.mean = torch.zeros(F + 1)
    with pytest.raises(ConfigError, match=r"parts that don't fit each other: [^\n]*size mismatch for mean[^\n]*$"):
        controller(network=made).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_precision_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"parts that don't fit each other: [^\n]*dtype"):
        controller(network=network().double()).save(tmp_path)


# --- files that can't be used ---


def resealed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the description as somebody would who knows how the digest is made."""
    description = json.loads((folder / DESCRIPTION).read_text())
    description.pop("sha256")
    change(description)
    text = json.dumps(description, sort_keys=True).encode() + (folder / WEIGHTS).read_bytes()
    (folder / DESCRIPTION).write_text(json.dumps({"sha256": hashlib.sha256(text).hexdigest(), **description}))


def test_the_layout_of_the_description_does_not_count(tmp_path: Path) -> None:
    controller().save(tmp_path)
    path = tmp_path / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True, indent=None))
    SavedController.load(tmp_path)


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_changed_value_or_weight_is_noticed(name: str, tmp_path: Path) -> None:
    controller().save(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    place = content.index(b"30.0") if name == DESCRIPTION else len(content) - 1
    content[place] ^= 1  # 20.0 in place of 30.0
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=f"^the controller in {tmp_path} is damaged or was changed.*train again$"):
        SavedController.load(tmp_path)


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    controller().save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ConfigError, match=f"^{tmp_path} can't be read as a controller .*{name}"):
        SavedController.load(tmp_path)


@pytest.mark.parametrize("text", ["", "nothing", "[]", "{}", '{"sha256": "0"}'])
def test_what_is_no_description_is_refused(text: str, tmp_path: Path) -> None:
    controller().save(tmp_path)
    (tmp_path / DESCRIPTION).write_text(text)
    with pytest.raises(ConfigError, match="can't be read as a controller"):
        SavedController.load(tmp_path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    controller().save(tmp_path)
    resealed(tmp_path, lambda description: description.update(version=VERSION + 1))
    with pytest.raises(ConfigError, match=f"is of version {VERSION + 1}, not {VERSION}: use the version of gan_env"):
        SavedController.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it["network"]["layers"].__setitem__(0, ["linear", F, 7]),
        lambda it: it["network"]["layers"].__setitem__(0, ["linear", F, 10**12]),
        lambda it: it["network"]["layers"].__setitem__(1, ["exec"]),
        lambda it: it["network"]["layers"].__setitem__(1, ["tanh", "x", 1, 2]),
        lambda it: it["network"]["layers"].reverse(),
        lambda it: it["interface"]["knobs"].pop(),
        lambda it: it["interface"]["knobs"][0].pop("bounds"),
        lambda it: it["interface"]["observation"].append("more"),
        lambda it: it["interface"].update(mystery=1),
        lambda it: it.update(adaptation=3),
        lambda it: it.pop("training"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused_in_one_line(change: Any, tmp_path: Path) -> None:
    controller().save(tmp_path)
    resealed(tmp_path, change)
    said = f"^the controller in {tmp_path} has parts that don't fit each other: [^\n]+$"
    with pytest.raises(ConfigError, match=said):
        SavedController.load(tmp_path)


def test_rates_with_which_all_runs_of_its_training_began_are_known() -> None:
    def of(*ranges: tuple[float, float]) -> dict[str, float]:
        envs = [{"instances": {"lr_g": span}} for span in ranges]
        return controller(env=envs[0], members=dict(zip("abc", envs, strict=False))).starting_rates

    assert of((1e-3, 1e-3)) == of((1e-3, 1e-3), (1e-3, 1e-3)) == {"lr_g": 1e-3}
    own = {"lr_g": (1e-3, 1e-2), "train": [{"lr_g": 1e-3}], "test": [{"lr_g": 1e-2}]}
    assert controller(env={"instances": own}).starting_rates == {"lr_g": 1e-3}
    assert of((1e-4, 1e-3)) == of((1e-3, 1e-3), (2e-3, 2e-3)) == controller().starting_rates == {}
