"""verl: an agent loop on our scenes (verl 0.9), token in and token out.

    register_agent_loop(make_scene)      # in a module that every worker imports

A row of the data set has `agent_name` = "octoworld" and, in `extra_info`, what `make_scene` takes.
Tokens that the environment says have mask 0; those that the model sampled are never made anew from
text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from octoworld.core.errors import DependencyError

from .program_env import MakeScene, ProgramEnv

NAME = "octoworld"


@dataclass
class Rollout:
    """One conversation in tokens."""

    prompt_ids: list[int]
    response_ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    """1 for tokens of the model, 0 for the environment's."""
    log_probs: list[float] = field(default_factory=list)
    turns: int = 0
    reward: float = 0.0


Generate = Callable[[list[int]], Awaitable[tuple[list[int], list[float]]]]
"""Token ids so far -> new ids and their log-probabilities."""


async def roll_out(
    env: ProgramEnv,
    row: Mapping[str, Any],
    generate: Generate,
    encode: Callable[[list[dict[str, str]], bool], list[int]],
    decode: Callable[[list[int]], str],
    longest: int,
) -> Rollout:
    """Play an episode.

    Args:
        env: where.
        row: which episode.
        generate: the model.
        encode: messages -> ids, with the mark of an answer at their end; the flag says whether
            these are the first messages.
        decode: ids -> text.
        longest: tokens of the whole response.
    """
    told = env.reset(**row)
    system = {"role": "system", "content": env.briefing()}
    rollout = Rollout(encode([system, {"role": "user", "content": told.text}], True))
    while not env.done and len(rollout.response_ids) < longest:
        ids, log_probs = await generate(rollout.prompt_ids + rollout.response_ids)
        room = longest - len(rollout.response_ids)
        ids, log_probs = ids[:room], log_probs[:room]
        _add(rollout, ids, 1, log_probs)
        told = env.step(decode(ids))
        rollout.turns += 1
        if not env.done:
            words = encode([{"role": "user", "content": told.text}], False)
            words = words[: longest - len(rollout.response_ids)]
            _add(rollout, words, 0, [0.0] * len(words))
    rollout.reward = env.reward
    return rollout


def _add(rollout: Rollout, ids: list[int], mask: int, log_probs: list[float]) -> None:
    rollout.response_ids += ids
    rollout.mask += [mask] * len(ids)
    rollout.log_probs += log_probs or [0.0] * len(ids)


def register_agent_loop(make_scene: MakeScene, **settings: Any) -> type:
    """Register the loop under NAME; the class.

    Raises:
        DependencyError: verl is not installed.
    """
    try:
        from verl.experimental.agent_loop.agent_loop import (  # pyright: ignore
            AgentLoopBase,
            AgentLoopMetrics,
            AgentLoopOutput,
            register,
        )
    except ImportError as error:
        raise DependencyError("this agent loop needs verl; see verl.readthedocs.io") from error

    @register(NAME)
    class ProgramLoop(AgentLoopBase):
        """Plays a row's episode with the server's model."""

        async def run(self, sampling_params: dict[str, Any], **row: Any) -> Any:
            """See `AgentLoopBase.run`."""
            request = f"octoworld-{id(self)}-{row.get('index', 0)}"

            async def generate(ids: list[int]) -> tuple[list[int], list[float]]:
                output = await self.server_manager.generate(
                    request_id=request, prompt_ids=ids, sampling_params=sampling_params
                )
                return list(output.token_ids), list(output.log_probs or [])

            def encode(messages: list[dict[str, str]], first: bool) -> list[int]:
                del first
                return self.tokenizer.apply_chat_template(
                    messages, add_generation_prompt=True, tokenize=True,
                    **self.apply_chat_template_kwargs,
                )  # fmt: skip

            env = ProgramEnv(make_scene, **settings)
            try:
                rollout = await roll_out(
                    env, row.get("extra_info", {}), generate, encode,
                    lambda ids: self.tokenizer.decode(ids, skip_special_tokens=True),
                    self.rollout_config.response_length,
                )  # fmt: skip
            finally:
                env.close()
            return AgentLoopOutput(
                prompt_ids=rollout.prompt_ids,
                response_ids=rollout.response_ids,
                response_mask=rollout.mask,
                response_logprobs=rollout.log_probs,
                reward_score=rollout.reward,
                num_turns=2 * rollout.turns,
                metrics=AgentLoopMetrics(),
            )

    return ProgramLoop
