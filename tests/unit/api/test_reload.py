"""The API continues to read the registry, whatever happens to one reading.

The served version is replaced completely, or not at all.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support.processes import wait_for

from streamflow.api import reload
from streamflow.api.reload import ServedVersion
from streamflow.errors import ArtifactUntrusted, DatabaseUnavailable, VersionMissing
from streamflow.runtime import code_digest
from streamflow.settings import Settings
from streamflow.steps.stages.transitions import ProductionStatus

NOTHING = ProductionStatus(version=None, entry=None, notes=())


class Registry:
    """A registry with given answers, one after the other, the last one for ever.

    Its versions load, or fail to load.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *answers: ProductionStatus | Exception
    ) -> None:
        self.answers, self.refused, self.loaded = list(answers), set[int](), list[int]()
        self.error: Exception = ArtifactUntrusted("another file")
        monkeypatch.setattr(reload, "POLL_INTERVAL_S", 0.005)
        monkeypatch.setattr(reload, "require_migrated", lambda _: None)
        monkeypatch.setattr(reload, "production_status", lambda _: self._held())
        monkeypatch.setattr(
            reload, "load_serving_version", lambda _, version, **_options: self._serving(version)
        )
        models = SimpleNamespace(version=lambda number: number)
        self.platform: Any = SimpleNamespace(
            forget_lost_connection=lambda: None,
            login=None,
            catalog=SimpleNamespace(model="churn"),
            models=models,
            settings=Settings(api_trial="off"),
        )
        self.counted: list[str] = []
        self.reload = reload.RegistryFollower(
            self.platform, lambda outcome, _: self.counted.append(outcome)
        )
        self.seen: list[ServedVersion] = []

    def _held(self) -> ProductionStatus:
        self.seen.append(self.reload.current)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _serving(self, version: int) -> Any:
        self.loaded.append(version)
        if version in self.refused:
            raise self.error
        serving = SimpleNamespace(version=version, policy=None)
        serving.prepare_for_requests = lambda: serving
        return serving

    def until(self, looks: int) -> list[ServedVersion]:
        self.reload.start()
        assert wait_for(lambda: len(self.seen) > looks, seconds=10)
        self.reload.stop()
        return self.seen


def of(version: int | None, *notes: str) -> ProductionStatus:
    return replace(NOTHING, version=version, notes=notes)


def test_an_error_is_said_and_the_next_question_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(
        monkeypatch, DatabaseUnavailable("away"), ValueError("a key"), of(None, "apart")
    )
    first, away, unforeseen, settled = registry.until(3)[:4]
    assert (first.refused, first.notes) == ("the version in Production is being looked up", ())
    assert away.notes == ("the registry cannot be asked: away",)
    assert unforeseen.notes == ("the registry cannot be asked: ValueError",)
    assert (settled.refused, settled.notes) == ("no version of churn is in Production", ("apart",))
    with pytest.raises(VersionMissing, match="no version of churn"):
        registry.reload.serving()


def test_a_registry_that_is_away_leaves_the_version_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = Registry(monkeypatch, of(1), of(1), DatabaseUnavailable("away"))
    seen = registry.until(4)
    assert [c.serving.version if c.serving else None for c in seen[:5]] == [None, 1, 1, 1, 1]
    assert (seen[4].refused, seen[4].notes) == ("", ("the registry cannot be asked: away",))
    assert registry.loaded == [1]
    assert registry.counted == ["swapped"]


@pytest.mark.parametrize(
    ("error", "said"),
    [(ArtifactUntrusted("another file"), "another file"), (KeyError("7590-VHVEG"), "KeyError")],
)
def test_a_version_that_cannot_be_served_leaves_the_old_one_and_is_not_tried_at_every_look(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    registry = Registry(monkeypatch, of(1), *[of(2)] * 8, of(3))
    registry.refused.add(2)
    registry.error = error
    seen = registry.until(12)
    refused = f"version 2 is in Production and cannot be served: {said}"
    assert [(c.serving and c.serving.version, c.refused) for c in seen[2:6]] == [(1, refused)] * 4
    assert (seen[-1].serving and seen[-1].serving.version, seen[-1].refused) == (3, "")
    assert registry.loaded == [1, 2, 3]
    assert registry.counted == ["swapped", "refused", "swapped"]


def test_a_refusal_is_said_again_after_the_registry_was_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = Registry(monkeypatch, of(1), of(2), DatabaseUnavailable("away"), of(2), of(2))
    registry.refused.add(2)
    refused = "version 2 is in Production and cannot be served: another file"
    seen = registry.until(4)
    assert [current.refused for current in seen[2:5]] == [refused, "", refused]
    assert registry.loaded == [1, 2]


def test_a_refusal_is_said_again_if_the_version_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(monkeypatch, of(1), of(2), of(1), of(2), of(2))
    registry.refused.add(2)
    refused = "version 2 is in Production and cannot be served: another file"
    seen = registry.until(4)
    assert [current.refused for current in seen[2:5]] == [refused, "", refused]


def test_no_request_waits_for_the_digest_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    code_digest.cache_clear()
    registry = Registry(monkeypatch, of(1))
    registry.until(1)
    assert code_digest.cache_info().currsize == 1


def test_it_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "RETRY_INTERVAL_S", 0.0)
    registry = Registry(monkeypatch, of(2))
    registry.refused.add(2)
    registry.reload.start()
    assert wait_for(lambda: len(registry.loaded) > 2, seconds=10)
    registry.refused.clear()
    assert wait_for(lambda: registry.reload.current.serving is not None, seconds=10)
    registry.reload.stop()


def test_nothing_in_production_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(monkeypatch, of(1), of(1), NOTHING)
    seen = registry.until(4)
    assert [c.serving.version if c.serving else None for c in seen[:5]] == [None, 1, 1, None, None]
