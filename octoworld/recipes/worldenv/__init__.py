"""World-Env: a policy that saw five demonstrations a task gets better inside a world model.

    still scenes -> grounding -> demonstrations -> SFT -> exploration and play in physics ->
    autoencoder -> world model -> reflector -> post-training in imagination -> test in physics ->
    pictures

Xiao et al., "World-Env" (arXiv 2509.24948). Only `exploration`, `play` and `motion` spend episodes
of true physics.
"""

from __future__ import annotations

from ..stages import Run, Stage, run_stages
from .config import WorldEnvConfig
from .learning import (
    learn_autoencoder,
    learn_grounding,
    learn_reflector,
    learn_sft,
    learn_worldmodel,
    policy,
)
from .outcome import make_pictures, posttrain_policy, test_policies
from .profiles import PROFILES, profile
from .recordings import (
    record_demonstrations,
    record_exploration,
    record_motion,
    record_play,
    record_scenes,
)

STAGES = [
    Stage("scenes", "still pictures for grounding", record_scenes),
    Stage("grounding", "where things are, from stills", learn_grounding),
    Stage("demonstrations", "expert episodes in physics", record_demonstrations),
    Stage("sft", "imitation of the demonstrations", learn_sft),
    Stage(
        "exploration",
        "the policy's own episodes in physics",
        lambda run: record_exploration(run, policy(run, "sft")),
    ),
    Stage("play", "things handled at random in physics", record_play),
    Stage("motion", "the same without pictures", record_motion),
    Stage("autoencoder", "frames to tokens", learn_autoencoder),
    Stage("worldmodel", "the video world model", learn_worldmodel),
    Stage("reflector", "reward and stop signal", learn_reflector),
    Stage("posttrain", "policy gradient in imagination", posttrain_policy),
    Stage("test", "both policies in true physics", test_policies),
    Stage("pictures", "true and imagined side by side", make_pictures),
]


def run_worldenv(run: Run, until: str | None = None) -> None:
    """Do all stages that are not done yet, up to and with `until`."""
    run_stages(run, STAGES, until=until)


__all__ = ["PROFILES", "STAGES", "Run", "WorldEnvConfig", "profile", "run_worldenv"]
