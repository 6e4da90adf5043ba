"""The values of the setting `model`: the names of the kinds of models, and `auto`.

The command line reads them too, so this module imports nothing that is slow. What a kind is stands
in its module in `models/kinds`.
"""

from __future__ import annotations

from typing import Literal

ModelName = Literal["baseline", "logistic", "forest", "boosting", "auto"]
