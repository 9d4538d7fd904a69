"""All fields of a run with their meanings: see `pointsup_jax.config`."""

from pointsup_jax.config import domain, get_config

__all__ = ['domain', 'get_config']
