"""The parent of all classes of settings, which reject unknown keys, and how they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
)

from genzoo.config.explain import explain_text_for_number, explain_validation_error
from genzoo.errors import ConfigError
from genzoo.wording import front_end


class Settings(BaseModel):
    """A frozen pydantic class that forbids unknown keys; the parent of every class of options."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @property
    def tries_several_starts(self) -> bool:
        """Whether a model with these options tries several starts itself, so that EM need not start again."""
        return False


SettingsT = TypeVar("SettingsT", bound=BaseModel)


def validate(cls: type[SettingsT], values: Mapping[str, Any], owner: str, section: str = "") -> SettingsT:
    """Build `cls` from `values`, or explain the first error in one paragraph.

    Arguments:
        owner: what the settings belong to, as the reader knows it: `"Model 'dcgan'"`.
        section: name of the settings among the owner's, such as `training`. Defaults to none.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range. In Python, a text or a truth value is no
            number; on a command line and in the environment, numbers are texts.
    """
    if not front_end().flags and (fault := explain_text_for_number(values, cls, owner, section)) is not None:
        raise ConfigError(fault)
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(explain_validation_error(error, cls, owner, section)) from error
