"""The kinds of models: each module of this package declares one kind as its `KIND`.

A new kind is a new module here, and its name in the setting `model`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from streamflow.models.model_kind import ModelKind

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def _import_kinds() -> dict[str, ModelKind]:
    """Return the kinds of all modules by name, the simplest kind first."""
    kinds: list[ModelKind] = [
        import_module(f"{__name__}.{module.name}").KIND for module in iter_modules(__path__)
    ]
    kinds.sort(key=lambda kind: kind.rank)
    return {kind.name: kind for kind in kinds}


#: Name -> kind of model, the simplest kind first.
MODEL_KINDS = _import_kinds()


def find_kind(pipeline: Pipeline) -> ModelKind | None:
    """Return the kind of a pipeline by the names of its steps, or None when it is none of ours."""
    _, *steps = (name for name, _ in pipeline.steps)
    for kind in MODEL_KINDS.values():
        if kind.steps == tuple(steps):
            return kind
    return None


def kind_of(pipeline: Pipeline) -> ModelKind:
    """Return the kind of a pipeline of ours."""
    kind = find_kind(pipeline)
    assert kind is not None
    return kind
