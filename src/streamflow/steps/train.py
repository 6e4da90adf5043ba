"""train: a training set becomes a model version with its passport."""

from __future__ import annotations
