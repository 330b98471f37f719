"""A problem and its solution as the token ids that an outcome reward model was trained on."""

from __future__ import annotations

from services.inference.checkpoint import Checkpoint
from shared.errors import UnavailableError

# Private characters, which no template cuts off and no problem should hold.
_PROBLEM, _SOLUTION = "\ue0f0problem\ue0f1", "\ue0f0solution\ue0f1"


def conversation_ids(checkpoint: Checkpoint, problem: str, text: str) -> list[int]:
    """Ids of the whole conversation.

    With a chat template it is encoded in one piece, as trainers do. Where problem or solution hold what looks
    like a special token, both are encoded alone, so that no text can end its own turn.
    """
    tokenizer = checkpoint.tokenizer
    if not tokenizer.chat_template:
        end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        return [*tokenizer(f"{problem}\n\n")["input_ids"], *checkpoint.encode(text)[0], *end]
    if _holds_special(checkpoint, problem + "\n" + text):
        return _in_pieces(checkpoint, problem, text)
    return list(tokenizer(_rendered(checkpoint, problem, text), add_special_tokens=False)["input_ids"])


def _rendered(checkpoint: Checkpoint, problem: str, text: str) -> str:
    turns = [{"role": "user", "content": problem}, {"role": "assistant", "content": text}]
    rendered: str = checkpoint.tokenizer.apply_chat_template(turns, tokenize=False)
    return rendered


def _holds_special(checkpoint: Checkpoint, text: str) -> bool:
    known = checkpoint.tokenizer.added_tokens_decoder.values()
    return any(str(token) in text for token in known if token.special)


def _in_pieces(checkpoint: Checkpoint, problem: str, text: str) -> list[int]:
    """The template's own parts with their special tokens, the two texts between them without."""
    before, between, after = conversation_frame(checkpoint)
    return [*before, *checkpoint.encode(problem)[0], *between, *checkpoint.encode(text)[0], *after]


def conversation_frame(checkpoint: Checkpoint) -> tuple[list[int], list[int], list[int]]:
    """Ids of the template's own parts: before the problem, between it and the solution, and after that.

    Raises UnavailableError for a template that doesn't show both.
    """
    rendered = _rendered(checkpoint, _PROBLEM, _SOLUTION)
    before, found_problem, rest = rendered.partition(_PROBLEM)
    between, found_solution, after = rest.partition(_SOLUTION)
    if not (found_problem and found_solution):
        raise UnavailableError(f"the chat template of {checkpoint.name} doesn't show both turns in order")
    encoded = (
        checkpoint.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (before, between, after)
    )
    first, second, third = map(list, encoded)
    return first, second, third
