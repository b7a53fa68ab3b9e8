"""Made-up runs of the study of loops, as `compare.py` writes them."""

from typing import Any

RATES = (1e-5, 1e-4, 1e-3, 1e-2)
PLAIN = {1e-5: 5.0, 1e-4: 4.0, 1e-3: 3.0, 1e-2: 6.0}
"""How the loop as it is ends by its rate."""


def record(
    method: str, data: str, rate: float | None, seed: int, score: float, crashed: bool = False
) -> dict[str, Any]:
    scores = [score + 0.2, score + 0.1, score]
    return {
        "loop": "dcgan", "data": data, "method": method, "seed": seed, "lr_g": rate, "lr_d": rate, "updates": 3000,
        "samples": 2000, "width": None, "untrained": 6.5, "log_metric": scores, "score": scores, "crashed": crashed,
    }  # fmt: skip
