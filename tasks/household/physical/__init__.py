"""Physical fidelity: the skills of a household carried out by servos, contacts and friction."""

from .motion import PhysicalMotion

__all__ = ["PhysicalMotion"]
__suite__ = "octoworld"
