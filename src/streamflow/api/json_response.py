"""Answers in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic_core import to_json


def json_response(content: Mapping[str, Any]) -> Response:
    """Write an answer as JSON. Floats keep their 64 bits."""
    return Response(to_json(content), media_type="application/json")
