"""May several examples share a row? Only where the model's attention keeps them apart, which is tried."""

from __future__ import annotations

from typing import Any

from shared.errors import FieldError

_LENGTH = 8
_TOLERANCE = 1e-3


def check_packing(model: Any) -> None:
    """FieldError where an example that shares a row changes what the model says about the next one."""
    if not keeps_apart(model):
        cure = "leave packing out, or use attention that tells examples apart"
        problem = "would let examples look at each other in this model"
        raise FieldError("settings.packing", problem, cure)


def keeps_apart(model: Any) -> bool:
    """Whether the last example of a row is told the same whatever stands before it."""
    import torch

    was_training = model.training
    model.eval()
    with torch.no_grad():
        one, other = (_second(model, first) for first in (1, 2))
        alone = model(input_ids=_ids(model, 3), use_cache=False).logits
    model.train(was_training)
    return all(torch.allclose(found, alone, atol=_TOLERANCE, rtol=_TOLERANCE) for found in (one, other))


def _second(model: Any, first: int) -> Any:
    """Logits of the second of two examples in one row."""
    import torch

    ids = torch.cat((_ids(model, first), _ids(model, 3)), dim=1)
    positions = torch.arange(_LENGTH, device=ids.device).repeat(2)[None]
    return model(input_ids=ids, position_ids=positions, use_cache=False).logits[:, _LENGTH:]


def _ids(model: Any, seed: int) -> Any:
    import torch

    draw = torch.Generator().manual_seed(seed)
    size = model.config.get_text_config().vocab_size
    return torch.randint(size, (1, _LENGTH), generator=draw).to(model.device)
