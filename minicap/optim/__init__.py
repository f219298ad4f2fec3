"""Update rules, learning-rate schedules and gradient clipping."""

from minicap.optim.averages import Lookahead, WeightAverage, rising_lookahead
from minicap.optim.clipping import clip_global_norm, global_norm
from minicap.optim.groups import Group, GroupedRule, grouped, settings_by_name
from minicap.optim.rule import Rule, UpdateRule
from minicap.optim.rules import (
    RULES,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    Momentum,
    Nesterov,
    RMSProp,
    make_rule,
)
from minicap.optim.schedules import (
    SCHEDULES,
    Schedule,
    constant,
    cosine,
    exponential,
    linear,
    linear_warmup,
    make_schedule,
    one_cycle,
    step_decay,
    triangular,
)

__all__ = [
    "RULES",
    "SCHEDULES",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Group",
    "GroupedRule",
    "Lookahead",
    "Momentum",
    "Nesterov",
    "RMSProp",
    "Rule",
    "Schedule",
    "UpdateRule",
    "WeightAverage",
    "clip_global_norm",
    "constant",
    "cosine",
    "exponential",
    "global_norm",
    "grouped",
    "linear",
    "linear_warmup",
    "make_rule",
    "make_schedule",
    "one_cycle",
    "rising_lookahead",
    "settings_by_name",
    "step_decay",
    "triangular",
]
