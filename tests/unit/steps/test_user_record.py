"""A number as a key: the page of a user looks for it in the form that scores and answers have."""

from types import SimpleNamespace
from typing import Any

import pytest

from streamflow.errors import EntityUnknown
from streamflow.steps.serving import user_record


@pytest.mark.parametrize("text", ["7", "007", "+7"])
def test_a_number_has_one_form(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[object] = []

    def note(_: object, key: object, *__: object, **___: object) -> list[Any]:
        keys.append(key)
        return []

    monkeypatch.setattr(user_record, "read_scored_drops", lambda _: [])
    for reader in ("read_values_of_key", "read_scores_of_key", "read_answers_about"):
        monkeypatch.setattr(user_record, reader, note)
    entity = SimpleNamespace(type="int", key="user_id")
    catalog = SimpleNamespace(entity=entity, feature_tables=[])
    platform: Any = SimpleNamespace(catalog=catalog, connection=None)
    with pytest.raises(EntityUnknown):
        user_record.read_user(platform, text)
    assert keys == [7, "7", "7"]
