"""A benchmark that anybody can enter: fixed runs that any policy plays, and a card that says how it did.

`protocols` fixes what is played, `card` plays it. `python agents/benchmark.py policy=...` is its command line.
"""

from gan_env.benchmark.card import Card, enter
from gan_env.benchmark.protocols import PROTOCOLS, Protocol

__all__ = ["PROTOCOLS", "Card", "Protocol", "enter"]
