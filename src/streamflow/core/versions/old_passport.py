"""Passports of schema 1 and 2: they record how a version answers, but not how it was made.

Such a version has no calibrator, no file of the decision and no stored requests. It is served by
what its passport records: its model file and its threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streamflow.core.data.json_text import MALFORMED_JSON, parse_json
from streamflow.core.statistics.threshold import Threshold, parse_threshold
from streamflow.core.training.calibrator import Calibrator
from streamflow.core.training.decision import Decision
from streamflow.core.versions.passport import Passport

OLD_SCHEMAS = (1, 2)
RULE = "the threshold that an earlier release recorded"


@dataclass(frozen=True, kw_only=True)
class OldPassport:
    """What a passport of schema 1 or 2 records about the answers of its version.

    passport   the passport without what only a rebuild needs
    """

    passport: Passport

    @property
    def schema(self) -> int:
        """Return the schema of the file."""
        return self.passport.schema

    @property
    def threshold(self) -> Threshold:
        """Return the recorded threshold."""
        return parse_threshold(self.passport.result["decision"]["threshold"])

    @property
    def decision(self) -> Decision:
        """Return the decision by which the version always answered: no calibrator, a threshold."""
        return Decision(
            threshold=self.threshold,
            rule=RULE,
            calibrator=Calibrator(),
            economics=None,  # nothing was recorded about money
        )


def parse_old_passport(content: bytes) -> OldPassport | None:
    """Read a passport of schema 1 or 2.

    Returns:
        None if the passport has a different schema.

    Raises:
        ValueError: it does not record the model's file or the threshold.

    >>> parse_old_passport(b'{"schema": 4}') is None
    True
    """
    values = parse_json(content)
    schema = values.get("schema") if isinstance(values, dict) else None
    if schema not in OLD_SCHEMAS:
        return None
    try:
        data = values["levels"]["data"]
        result = values["result"]
        passport = Passport(
            as_of=datetime.fromisoformat(data["as_of"]),
            label_as_of=datetime.fromisoformat(data["label_as_of"]),
            label_lead=int(data["label_lead"]),
            known_at=datetime.fromisoformat(data["known_at"]),
            sources=(),
            features=values["levels"]["features"],
            code={},
            environment={},
            configuration={},
            result={
                "model": result["model"],
                "decision": {"threshold": float(result["metrics"]["threshold"])},
            },
            schema=schema,
        )
    except MALFORMED_JSON as exc:
        raise ValueError(f"{exc!r} is missing or has the wrong type") from exc
    return OldPassport(passport=passport)


def describe_limits(schema: int) -> str:
    """Say what can be done with a version whose passport has an old schema, and what cannot."""
    return (
        f"its passport has schema {schema}: it is served by its recorded threshold, and it cannot"
        " be reproduced, compared, monitored or exported. Train a new version for that"
    )
