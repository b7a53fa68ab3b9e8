"""One update: against plain loops, for all networks and losses, and its slopes."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial

import pytest
import torch
from populations import POINT_KNOBS, population, settings, values
from torch import Tensor, nn

from gan_env.data.bank import DataBank
from gan_env.errors import ConfigError
from gan_env.gan.adam import BETA_2, EPSILON
from gan_env.gan.losses import LOSSES
from gan_env.gan.networks import ARCHITECTURES
from gan_env.gan.spectral import normalise
from gan_env.gan.update import PopulationConfig, PopulationState, Update, fakes_as_real
from gan_env.records import MEANS, RowSettings

# --- networks and losses ---


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_network_trains_with_every_loss(banks: Callable[[str], DataBank], architecture: str, loss: str) -> None:
    """Images by every architecture: finite, changed in both players, and a row is the same alone."""
    knobs = ("instance_noise", "augment", "r1", "r2", "gp", "spectral")
    given = {"instance_noise": 0.1, "augment": 0.5, "r1": 1.0, "r2": 0.5, "gp": 1.0, "spectral": 0.5}
    made = population(banks("images"), architecture=architecture, losses=(loss,), knobs=knobs)
    start = made.get_state()
    made.update(values(knobs, **given), 2)
    assert all(tensor.isfinite().all() for tensor in made.state.tensors())
    assert (made.state.g != start["g"]).any(dim=1).all()
    assert (made.state.d != start["d"]).any(dim=1).all()
    assert made.sample(5).shape == (2, 5, 3, 8, 8)
    alone = population(banks("images"), 1, architecture=architecture, losses=(loss,), knobs=knobs)
    alone.update(values(knobs, 1, **given), 2)
    torch.testing.assert_close(alone.state.d[0], made.state.d[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"losses": ("hinges",)}, "losses='hinges'.*'hinge'"),
        ({"architecture": "dcgans"}, "architecture='dcgans'.*'dcgan'"),
        ({"architecture": "resnet"}, "resnet.*mlp"),
    ],
)
def test_what_does_not_exist_or_fit_is_refused(
    banks: Callable[[str], DataBank], given: dict[str, str | tuple[str, ...]], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        population(banks("points"), **given)


def test_images_that_are_not_square_are_not_rotated() -> None:
    config = PopulationConfig(2, 8, 8, 2, 4, 0.9, knobs=("rotate",), architecture="mlp")
    Update((1, 8, 8), config)
    with pytest.raises(ConfigError, match=r"sample_shape=\(1, 8, 12\).*square"):
        Update((1, 8, 12), config)


def test_points_take_the_mlp_and_images_the_dcgan(banks: Callable[[str], DataBank]) -> None:
    assert {layer.kind for layer in population(banks("points")).generator.layers} == {"linear"}
    assert "up" in {layer.kind for layer in population(banks("images")).generator.layers}


AT = {
    "instance_noise": 0.2, "latent_noise": 1.4, "augment": 0.6, "rotate": 0.3, "augment_strength": 0.7, "pseudo": 0.5,
    "r1": 3.0, "r2": 2.0, "gp": 1.5, "spectral": 0.4, "lr_g": 0.5, "lr_d": 2.0,
}  # fmt: skip


def written_out(loss: str, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The losses of D and G for logits of real and fake, by their papers."""
    softplus, relu = nn.functional.softplus, nn.functional.relu
    d, g = {
        "non_saturating": (softplus(-real) + softplus(fake), softplus(-fake)),
        "hinge": (relu(1 - real) + relu(1 + fake), -fake),
        "wasserstein": (fake - real, -fake),
        "least_squares": (((real - 1) ** 2 + fake**2) / 2, (fake - 1) ** 2 / 2),
        "relativistic": (softplus(fake - real), softplus(real - fake)),
    }[loss]
    return d.mean(), g.mean()


def disturbed(x: Tensor, draws: Tensor, noise: Tensor) -> Tensor:
    """Points [B, 2] turned and scaled on one coin each (draws [3, B]: coin, angle, scale), with noise [B, 2]."""
    coin, turn, size = draws
    chance = 1 - (1 - AT["augment"]) * (1 - AT["rotate"])
    angle = torch.where(coin < chance, (turn - 0.5) * 2 * math.pi * AT["augment_strength"], 0)
    factor = torch.where(coin < AT["augment"], torch.exp((2 * size - 1) * 0.35 * AT["augment_strength"]), 1)
    matrix = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2, -1)
    return factor[:, None] * torch.einsum("ijb,bj->bi", matrix, x) + AT["instance_noise"] * noise


def squared_slopes(logits: Tensor, inputs: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return gradient.square().sum(-1)


@pytest.mark.parametrize("loss", LOSSES)
def test_one_update_is_that_of_a_plain_loop(banks: Callable[[str], DataBank], loss: str) -> None:
    """With every knob, of a row that uses 6 of 8 samples: against torch.optim, all but the networks written out."""
    made = population(banks("points"), 1, losses=(loss,), knobs=POINT_KNOBS, batch_size=8)
    made.reset(torch.arange(1), replace(settings(1), batch_size=torch.tensor([6])))
    rows, size = made.settings, 6
    ema, g, d = (getattr(made.state, name).clone().requires_grad_() for name in ("ema", "g", "d"))
    (source,) = made.sources(rows, made.state.step, 1)
    samples, uniforms, normals = made.draws(*source)
    mix, turns, coin = uniforms.view(8, 8).split([1, 6, 1])  # [1, B], [2 * 3, B], [1, B]
    z, noise = normals[:, :24].view(1, 8, 3), normals[0, 24:].view(2, 8, 2)

    generated = made.generator(g, AT["latent_noise"] * z)[0]
    chosen = coin[0] < AT["pseudo"]
    assert 0 < chosen[:size].sum() < size
    shown = torch.where(chosen[:, None], generated.detach().roll(1, 0), samples[0])
    real = (rows.input_scale * disturbed(shown, turns[:3], noise[0])[:size]).detach().requires_grad_()
    fake = rows.input_scale * disturbed(generated, turns[3:], noise[1])[:size]

    rates = {"betas": (float(rows.beta_1), BETA_2), "eps": EPSILON}
    optimizer_d = torch.optim.Adam([d], float(rows.lr_d) * AT["lr_d"], **rates)
    optimizer_g = torch.optim.Adam([g], float(rows.lr_g) * AT["lr_g"], **rates)
    used, vectors = normalise(made.discriminator, d, made.state.vectors.clone(), torch.tensor([AT["spectral"]]))
    seen = fake.detach().requires_grad_()
    between = (mix[0, :size, None] * real + (1 - mix[0, :size, None]) * seen).detach().requires_grad_()
    logits = {x: made.discriminator(used, x[None])[0, :, 0] for x in (real, seen, between)}
    loss_d, _ = written_out(loss, logits[real], logits[seen])
    r1, r2 = (squared_slopes(logits[x], x).mean() for x in (real, seen))
    gp = (squared_slopes(logits[between], between).sqrt() - 1).square().mean()
    regularised = loss_d + AT["r1"] / 2 * r1 + AT["r2"] / 2 * r2 + AT["gp"] * gp
    (d.grad,) = torch.autograd.grad(regularised, d, retain_graph=True)
    optimizer_d.step()
    used, _ = normalise(made.discriminator, d.detach(), vectors, torch.tensor([AT["spectral"]]))
    new_real, new_fake = (made.discriminator(used, x[None])[0, :, 0] for x in (real, fake))
    _, loss_g = written_out(loss, new_real, new_fake)
    (g.grad,) = torch.autograd.grad(loss_g, g)
    optimizer_g.step()

    made.update(values(POINT_KNOBS, 1, **AT), 1)
    close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-6)
    close(made.state.d, d.detach())
    close(made.state.g, g.detach())
    close(made.state.ema, (0.9 * ema + 0.1 * g).detach())
    middle = 0.5 if loss == "least_squares" else 0.0  # of its targets 0 and 1
    flat = {"non_saturating": math.log(9), "hinge": 1.0}.get(loss, math.inf)
    statistics = {
        "loss_d": loss_d, "loss_g": loss_g, "penalty": r1,
        "logit_real": logits[real].mean(), "logit_fake": logits[seen].mean(),
        "sign_real": (logits[real] - middle).sign().mean(), "sign_fake": (logits[seen] - middle).sign().mean(),
        "logit_after": new_fake.mean(), "saturated_real": (logits[real] > flat).float().mean(),
        "saturated_fake": (logits[seen] < -flat).float().mean(),
        "square_grad_d": d.grad.square().sum(), "square_grad_g": g.grad.square().sum(),
        "square_loss_d": loss_d**2, "square_loss_g": loss_g**2,
        "square_logit_real": logits[real].square().mean(), "square_logit_fake": logits[seen].square().mean(),
    }  # fmt: skip
    totals = dict(zip(MEANS, made.state.totals[0], strict=True))
    for name, value in statistics.items():
        close(totals[name], value.detach(), msg=name)


def test_each_row_has_the_margin_of_its_own_loss(banks: Callable[[str], DataBank]) -> None:
    """Three rows with the same weights and samples, and so the same logits, that many are beyond 1 and some log 9."""
    losses = ("hinge", "non_saturating", "wasserstein")
    made, rows = population(banks("points"), 3, losses=losses, batch_size=64, knobs=()), settings(3)
    one = {"key": torch.full((3,), 3), "window": torch.zeros(3).long(), "num_samples": torch.full((3,), 20)}
    large = {"gain_g": torch.full((3,), 4.0), "gain_d": torch.full((3,), 2.0), "batch_size": torch.full((3,), 64)}
    made.reset(torch.arange(3), replace(rows, **one, **large, loss=torch.arange(3)))
    made.update({}, 1)
    for kind in ("real", "fake"):
        assert made.state.totals[:, MEANS.index(f"logit_{kind}")].unique().numel() == 1
        hinge, smooth, none = made.state.totals[:, MEANS.index(f"saturated_{kind}")].tolist()
        assert 1 > hinge > smooth > none == 0


def test_a_fake_that_is_shown_as_real_is_that_of_another_place() -> None:
    real, fake = torch.randn(2, 3, 1, 4, 4), torch.randn(2, 3, 1, 4, 4)
    chosen = torch.tensor([[True, False, True], [False, False, False]])
    shown = fakes_as_real(real, fake, chosen)
    assert torch.equal(shown[0], torch.stack([fake[0, 2], real[0, 1], fake[0, 1]]))
    assert torch.equal(shown[1], real[1])


def test_the_state_of_normalisation_goes_out_and_in(banks: Callable[[str], DataBank]) -> None:
    knobs = values(("spectral",), spectral=0.7)
    first, second = (population(banks("points"), knobs=("spectral",)) for _ in range(2))
    first.update(knobs, 3)
    second.set_state(first.get_state())
    for made in (first, second):
        made.update(knobs, 3)
    for field in fields(first.state):
        assert torch.equal(getattr(first.state, field.name), getattr(second.state, field.name))


# --- differentiable ---


def unrolled(bank: DataBank, names: tuple[str, ...], knobs: list[Tensor], updates: int, loss: str) -> Tensor:
    """Mean samples after some updates in float64, a function of the knobs."""
    made = population(bank, knobs=names, losses=(loss,))
    update = Update(bank.sample_shape, made.config, differentiable=True)
    state = PopulationState(*(t.double() if t.is_floating_point() else t for t in made.state.tensors()))
    rows = RowSettings(
        **{f.name: v.double() if (v := getattr(made.settings, f.name)).is_floating_point() else v
           for f in fields(RowSettings)}
    )  # fmt: skip
    for source in made.sources(rows, state.step, updates):
        draws = [drawn.double() for drawn in made.draws(*source)]
        state = PopulationState(*update(state, rows, dict(zip(names, knobs, strict=True)), *draws))
    z = torch.linspace(-1, 1, 9, dtype=torch.float64).view(1, 3, 3).expand(2, 3, 3)
    return made.generator(state.g, z)


SMOOTH = {
    "instance_noise": 0.2, "latent_noise": 1.1, "augment_strength": 0.8, "r1": 0.5, "r2": 0.3, "gp": 0.4,
    "lr_g": 0.7, "lr_d": 1.3,
}  # fmt: skip
COINS = {"augment": 0.6, "pseudo": 0.5}


@pytest.mark.parametrize("loss", ["non_saturating", "least_squares", "relativistic"])
def test_the_hypergradient_is_that_of_finite_differences(banks: Callable[[str], DataBank], loss: str) -> None:
    """Three unrolled updates of a tiny GAN in float64, by every knob that has a slope: both players and their Adam."""
    knobs = [torch.full((2,), at, dtype=torch.float64, requires_grad=True) for at in SMOOTH.values()]
    coins = [torch.full((2,), at, dtype=torch.float64) for at in COINS.values()]

    def samples(*given: Tensor) -> Tensor:
        return unrolled(banks("points"), (*SMOOTH, *COINS), [*given, *coins], 3, loss)

    assert torch.autograd.gradcheck(samples, knobs, eps=1e-6, rtol=1e-4, atol=1e-7)
    slopes = torch.autograd.grad(samples(*knobs).square().sum(), knobs)
    assert all((slope.abs() > 1e-8).all() for slope in slopes)


def test_a_differentiable_update_is_the_ordinary_one(banks: Callable[[str], DataBank]) -> None:
    """Bit by bit, over several updates whose graph goes on through both players."""
    knobs = ("instance_noise", "augment", "pseudo", "r1", "r2", "gp")
    given = values(knobs, instance_noise=0.1, augment=0.5, pseudo=0.5, r1=1.0, r2=0.5, gp=1.0)
    made = population(banks("points"), knobs=knobs)
    update = Update(made.bank.sample_shape, made.config, differentiable=True)
    state, other = made.state, made.state
    for source in made.sources(made.settings, state.step, 4):
        draws = made.draws(*source)
        state = PopulationState(
            *update(state, made.settings, {k: v.requires_grad_() for k, v in given.items()}, *draws)
        )
        other = PopulationState(*made._update(other, made.settings, {k: v.detach() for k, v in given.items()}, *draws))
    for field in fields(state):
        assert torch.equal(getattr(state, field.name), getattr(other, field.name)), field.name
    assert state.g.requires_grad


def test_an_ordinary_update_keeps_no_graph(banks: Callable[[str], DataBank]) -> None:
    made = population(banks("points"), knobs=("r1",))
    (source,) = made.sources(made.settings, made.state.step, 1)
    draws = made.draws(*source)
    new = made._update(made.state, made.settings, {"r1": torch.ones(2, requires_grad=True)}, *draws)
    assert not any(tensor.requires_grad for tensor in new)
