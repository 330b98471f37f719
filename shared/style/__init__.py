"""Pure maths of style: what a text costs a student. Definitions in docs/method.md; surprisals in nats."""

from shared.style.band import BandFit, excess, fit_band
from shared.style.conformal import conformal_threshold
from shared.style.corpus import CorpusComparison, CorpusStyle
from shared.style.cost import cost, edit_cost, tokens_in
from shared.style.drift import drift, edit_drift, span_loss
from shared.style.ledger import finite, ledger, step_styles
from shared.style.perplexity import Loss, loss, perplexity, quarter_losses
from shared.style.quarters import quarter_bounds
from shared.style.suitability import rank_surprisal_ratio
from shared.style.tokens import Side, TokenLoss, TokenShift, TokenTable

__all__ = [
    "BandFit",
    "CorpusComparison",
    "CorpusStyle",
    "Loss",
    "Side",
    "TokenLoss",
    "TokenShift",
    "TokenTable",
    "conformal_threshold",
    "cost",
    "drift",
    "edit_cost",
    "edit_drift",
    "excess",
    "finite",
    "fit_band",
    "ledger",
    "loss",
    "perplexity",
    "quarter_bounds",
    "quarter_losses",
    "rank_surprisal_ratio",
    "span_loss",
    "step_styles",
    "tokens_in",
]
