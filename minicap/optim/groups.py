"""Parameter groups: other settings for some parameters, chosen by their names."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from minicap.arrays import Array
from minicap.errors import InputError
from minicap.formats.settings import nearest
from minicap.optim.averages import Lookahead
from minicap.optim.rule import Params, Rule, UpdateRule, at_least_0


@dataclass(frozen=True)
class Group:
    """Settings of the parameters whose flat name matches a pattern: "encoder.*", "*.b".

    pattern: of names, where * stands for any text.  rate_factor: multiplies the learning rate.
    weight_decay, l1: instead of the rule's own.  frozen: whether these parameters stay as they are.
    frozen_after: steps after which they do.
    Where several groups match a name and set the same thing, the last takes precedence.
    """

    pattern: str
    rate_factor: float | None = None
    weight_decay: float | None = None
    l1: float | None = None
    frozen: bool | None = None
    frozen_after: int | None = None

    def __post_init__(self) -> None:
        for name in ("rate_factor", "weight_decay", "l1"):
            value = getattr(self, name)
            if value is not None and not at_least_0(value):
                raise InputError(
                    f'group "{self.pattern}": {name} is {value!r} but must be a number, at least 0'
                )
        if self.rate_factor == 0:
            raise InputError(f'group "{self.pattern}": rate_factor is 0; use frozen=True instead')
        if self.frozen_after is not None and self.frozen_after < 1:
            raise InputError(f'group "{self.pattern}": frozen_after is {self.frozen_after}; use frozen=True')


class Setting(NamedTuple):
    """How one parameter is moved.  weight_decay, l1: None for the rule's own.  frozen_after: None: never."""

    rate_factor: float = 1.0
    weight_decay: float | None = None
    l1: float | None = None
    frozen: bool = False
    frozen_after: int | None = None


def settings_by_name(groups: Sequence[Group], names: Iterable[str]) -> dict[str, Setting]:
    """How each parameter is moved.  Raises InputError for a pattern that matches no name."""
    settings = dict.fromkeys(names, Setting())
    for group in groups:
        found = [name for name in settings if fnmatchcase(name, group.pattern)]
        if not found:
            close = nearest(group.pattern, settings)
            raise InputError(f'group "{group.pattern}" matches no parameter{close}; see model.params')
        said = {name: getattr(group, name) for name in Setting._fields if getattr(group, name) is not None}
        settings |= {name: settings[name]._replace(**said) for name in found}
    return settings


def grouped(rule: Rule | Lookahead, groups: Sequence[Group], names: Iterable[str]) -> UpdateRule:
    """The rule with parameter groups, if there are any; a Lookahead stays outermost."""
    if not groups:
        return rule
    if isinstance(rule, Lookahead):
        if not isinstance(rule.rule, Rule):
            raise InputError("the rule inside the Lookahead has groups already; give them in one place")
        return Lookahead(GroupedRule(rule.rule, groups, names), rule.k, rule.alpha)
    return GroupedRule(rule, groups, names)


class GroupedRule:
    """An update rule with parameter groups, used like any rule.

    Parameters with the same settings are moved together, by a copy of the rule; frozen ones stay as they are
    and cost nothing.
    """

    def __init__(self, rule: Rule, groups: Sequence[Group], names: Iterable[str]) -> None:
        self.learning_rate = rule.learning_rate
        self.rules: dict[Setting, Rule] = {}
        self.by_name = {
            name: setting for name, setting in settings_by_name(groups, names).items() if not setting.frozen
        }
        if not self.by_name:
            raise InputError("the groups freeze every parameter; leave one that can learn")
        for setting in self.by_name.values():
            if setting not in self.rules:
                own = self.rules[setting] = copy(rule)
                own.load({}, rule.step_count)
                own.weight_decay = rule.weight_decay if setting.weight_decay is None else setting.weight_decay
                own.l1 = rule.l1 if setting.l1 is None else setting.l1

    @property
    def step_count(self) -> int:
        """Steps done."""
        return max((rule.step_count for rule in self.rules.values()), default=0)

    def step(self, params: Params, grads: Mapping[str, Array]) -> None:
        """Move every parameter that has a gradient and is not frozen, as Rule.step."""
        if unknown := sorted(set(grads) - set(params)):
            raise InputError(f"GroupedRule.step: no parameter is called {unknown[0]!r}")
        for setting, rule in self.rules.items():
            if setting.frozen_after is not None and rule.step_count >= setting.frozen_after:
                continue
            rule.learning_rate = self.learning_rate * setting.rate_factor
            rule.step(params, {name: dw for name, dw in grads.items() if self.by_name.get(name) == setting})

    def arrays(self) -> dict[str, Array]:
        """The state as flat arrays for a checkpoint, as Rule.arrays."""
        return {name: array for rule in self.rules.values() for name, array in rule.arrays().items()}

    def load(self, arrays: Mapping[str, Array], step_count: int) -> None:
        """Restore the state of a checkpoint, as Rule.load.  Raises InputError for a frozen parameter's."""
        names = {key: key.partition("/")[2] for key in arrays}
        if strange := sorted(set(names.values()) - set(self.by_name)):
            raise InputError(f"{strange[0]} has a state but is frozen or unknown; have the groups changed?")
        for setting, rule in self.rules.items():
            own = {key: a for key, a in arrays.items() if self.by_name[names[key]] == setting}
            rule.load(own, step_count)
