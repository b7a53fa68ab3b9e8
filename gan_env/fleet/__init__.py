from gan_env.fleet.fleet import Fleet
from gan_env.fleet.members import FleetError

__all__ = ["Fleet", "FleetError"]
