"""The parameters of a module as it shows them."""

from typing import Any, NoReturn

from minicap.arrays import Array
from minicap.errors import InputError


class Parameters(dict[str, Array]):
    """Arrays by name, to change in place; the dictionary itself cannot be changed."""

    def __setitem__(self, name: str, array: Array) -> None:
        if self.get(name) is not array:  # params["w"] -= step ends here, and has done its work already
            self._refuse()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise InputError(
            "params: this dictionary shows the model's arrays, and changing it would not change the model; "
            "write params[name][...] = array, or model.load(arrays)"
        )

    __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)
