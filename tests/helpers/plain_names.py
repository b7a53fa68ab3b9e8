"""What a program on a page takes for granted: the networks, optimisers and losses of a reader's own loop."""

from typing import Any

import torch
from torch.nn.functional import softplus


def of_a_loop() -> dict[str, Any]:
    """The names that pages use, after one update's losses are known."""
    g, d = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    real, fake = torch.randn(8, 2), g(torch.randn(8, 2))
    logits_real, logits_fake = d(real), d(fake)
    return {
        "generator": g,
        "discriminator": d,
        "opt_g": torch.optim.Adam(g.parameters()),
        "opt_d": torch.optim.Adam(d.parameters()),
        "real": real,
        "fake": fake,
        "logits_real": logits_real,
        "logits_fake": logits_fake,
        "loss_d": (softplus(-logits_real) + softplus(logits_fake)).mean(),
        "loss_g": softplus(-logits_fake).mean(),
        "penalty": torch.ones(()),
        "batches": [real] * 24,
        "latent_size": 2,
    }
