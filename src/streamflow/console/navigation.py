"""The menu of the console: its groups, and the pages of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MenuGroup:
    """A group of the menu. `title` and the titles of its pages are names of texts."""

    title: str
    pages: tuple[tuple[str, str], ...]


NAVIGATION = (
    MenuGroup(
        title="nav.customers",
        pages=(("/at-risk", "nav.at_risk"), ("/portfolio", "nav.portfolio")),
    ),
    MenuGroup(
        title="nav.engineer",
        pages=(
            ("/versions", "nav.versions"),
            ("/production", "nav.production"),
            ("/drops", "nav.drops"),
            ("/snapshots", "nav.snapshots"),
            ("/training-sets", "nav.training_sets"),
            ("/data", "nav.data"),
            ("/monitoring", "nav.monitoring"),
            ("/runs", "nav.runs"),
            ("/work", "nav.work"),
            ("/serving", "nav.service"),
            ("/service", "nav.keys"),
        ),
    ),
)
FIRST_PAGE = "/at-risk"
