"""The gate as a whole: the challenger's own conditions, and how it does against the champion on rows that both have not seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from streamflow.core.promotion.gate import (
    Answers,
    Compared,
    Gate,
    Policy,
    compare,
    comparison,
    enough,
)
from streamflow.errors import ArtifactUntrusted, LabelsMissing, NotRebuildable, TrainingImpossible
from streamflow.models.registry import ModelVersion
from streamflow.platform import Platform
from streamflow.settings import Settings
from streamflow.steps.promotion.gate_conditions import (
    calibration_gate,
    honesty_gate,
    passport_gate,
    probe_gate,
    schema_gate,
)
from streamflow.steps.promotion.unseen_users import Judged, judged, newest_labelled
from streamflow.steps.training.fit import economics_of
from streamflow.steps.training.training_set import Drops
from streamflow.steps.versions.recorded_version import Recorded, recorded

NOT_JUDGED = (
    NotRebuildable,
    TrainingImpossible,
    ArtifactUntrusted,
)  # what keeps a version from being judged: said, no fall-back


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What the gate found of a challenger.

    champion  the version in Production, None where there is none
    compared  every metric of both on the rows unseen by both; empty where they cannot be compared
    rows      on which: the drop, how many, and the proof of each version's training keys
    """

    challenger: int
    champion: int | None
    policy: Policy
    gates: tuple[Gate, ...]
    compared: tuple[Compared, ...]
    rows: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Whether every gate is."""
        return all(gate.passed for gate in self.gates)

    @property
    def evidence(self) -> str:
        """All of it as canonical JSON: what the ledger keeps."""
        return json.dumps(
            {**asdict(self), "passed": self.passed},
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
        )

    @property
    def digest(self) -> str:
        """sha256 of the evidence."""
        return sha256(self.evidence.encode()).hexdigest()


def policy_of(settings: Settings) -> Policy:
    """The policy as this installation sets it."""
    return Policy(
        rule=settings.gate_policy,
        metric=settings.gate_metric,
        margin=settings.gate_margin,
        confidence=settings.gate_confidence,
        draws=settings.gate_draws,
        seed=settings.seed,
        min_rows=settings.gate_min_rows,
    )


def examine(
    platform: Platform,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    *,
    notify: Callable[[str], None] = lambda _: None,
) -> Examination:
    """Hold a challenger against every gate; nothing is written.

    Raises NotRebuildable when the challenger has no passport here, ArtifactUntrusted when its files are not the registered ones.
    """
    policy = policy_of(platform.settings)
    record = recorded(platform, str(challenger.version))
    notify(f"checking version {challenger.version}")
    predictor = platform.models.load(
        challenger
    )  # its files are checked against the tags, these against the passport
    gates = [
        passport_gate(record),
        schema_gate(platform, record),
        probe_gate(platform, record, predictor),
    ]
    gates.append(honesty_gate(platform, record))
    try:
        when = newest_labelled(platform, record.passport.label_lead)
        notify(
            f"asking version {challenger.version} for users it has not seen, labels of {when.label_as_of:%Y-%m-%d}"
        )
        own = judged(platform, record, when, predictor)
    except (*NOT_JUDGED, LabelsMissing) as exc:
        gates.append(
            Gate(
                name="comparison",
                passed=False,
                evidence=f"challenger not evaluable here: {exc.message}",
            )
        )
        return _examination(challenger, champion, policy, gates)
    gates.append(calibration_gate(record, own, policy))
    if champion is None:
        gates.append(
            Gate(
                name="comparison",
                passed=True,
                evidence="no version is in Production: there is nothing to be better than",
            )
        )
        return _examination(
            challenger, None, policy, gates, rows=_proof({str(challenger.version): own}, own, when)
        )
    return _against(platform, challenger, champion, own, when, policy, gates, notify)


def _against(
    platform: Platform,
    challenger: ModelVersion,
    champion: ModelVersion,
    own: Judged,
    when: Drops,
    policy: Policy,
    gates: list[Gate],
    notify: Callable[[str], None],
) -> Examination:
    """Add the comparison with the champion, on the rows that both have not seen."""
    notify(f"asking version {champion.version}, the champion, for the same users")
    try:
        theirs = judged(
            platform, _record_of(platform, champion), when, platform.models.load(champion)
        )
    except NOT_JUDGED as exc:
        return _not_evaluable(challenger, champion, policy, gates, exc.message)
    a, b = theirs.only(own.keys), own.only(theirs.keys)
    if not (a.keys.equals(b.keys) and (a.label == b.label).all()):
        return _not_evaluable(
            challenger, champion, policy, gates, "it was trained for another key or label"
        )
    proof = _proof({str(champion.version): a, str(challenger.version): b}, b, when)
    if problem := enough(b.label, policy):
        return _not_evaluable(challenger, champion, policy, gates, problem, rows=proof)
    notify(f"comparing on {len(b.label):,} users that neither was trained on")
    before, after = (
        Answers(probability=side.probability, threshold=side.threshold) for side in (a, b)
    )
    compared = compare(b.label, before, after, economics_of(platform.settings), policy)
    gates.append(comparison(compared, policy))
    return _examination(challenger, champion, policy, gates, compared=compared, rows=proof)


def _record_of(platform: Platform, version: ModelVersion) -> Recorded:
    record = recorded(platform, str(version.version))
    if record.tampered:
        raise NotRebuildable("; ".join(record.tampered))
    return record


def _not_evaluable(
    challenger: ModelVersion,
    champion: ModelVersion,
    policy: Policy,
    gates: list[Gate],
    why: str,
    rows: Mapping[str, Any] | None = None,
) -> Examination:
    gates.append(
        Gate(name="comparison", passed=False, evidence=f"champion not evaluable here: {why}")
    )
    return _examination(challenger, champion, policy, gates, rows=rows or {})


def _examination(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    policy: Policy,
    gates: list[Gate],
    *,
    compared: tuple[Compared, ...] = (),
    rows: Mapping[str, Any] | None = None,
) -> Examination:
    return Examination(
        challenger=challenger.version,
        champion=champion.version if champion else None,
        policy=policy,
        gates=tuple(gates),
        compared=compared,
        rows=rows or {},
    )


def _proof(sides: Mapping[str, Judged], judged_on: Judged, when: Drops) -> dict[str, Any]:
    """Which rows, and by what it is known that no version was trained on their users."""
    return {
        "as_of": when.as_of.isoformat(),
        "label_as_of": when.label_as_of.isoformat(),
        "known_at": when.known_at.isoformat(),
        "rows": len(judged_on.label),
        "positives": int(judged_on.label.sum()),
        "trained_on": {
            version: {
                "keys": len(side.trained_on.keys),
                "digest": side.trained_on.digest,
                "split_salt": side.trained_on.salt,
                "holdout_share": side.trained_on.share,
                "erased": side.trained_on.erased,
            }
            for version, side in sides.items()
        },
    }
