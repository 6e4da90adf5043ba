"""Commands that show scored users as the console does: at-risk, user, portfolio."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from streamflow.cli import customer_receipts
from streamflow.cli.context import invocation, show
from streamflow.cli.options import EntityKey, JsonFlag


def _parse_segment(text: str) -> str:
    if "=" not in text:
        raise typer.BadParameter(f"'{text}' is not COLUMN=CATEGORY")
    return text


Segments = Annotated[
    list[str] | None,
    typer.Option(
        "--segment",
        parser=_parse_segment,
        metavar="COLUMN=CATEGORY",
        help="Only users of this category. 'COLUMN=' means users without a value.",
    ),
]
Moved = Annotated[
    Literal["up", "down"] | None,
    typer.Option(
        "--moved",
        help="Only users whose probability moved by 5 percentage points or more.",
    ),
]
Limit = Annotated[
    int, typer.Option("--limit", min=1, max=1000, help="How many users to show at most.")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("at-risk")(at_risk)
    app.command("user")(user)
    app.command("portfolio")(portfolio)


def at_risk(
    context: typer.Context,
    segment: Segments = None,
    moved: Moved = None,
    limit: Limit = 20,
    as_json: JsonFlag = False,
) -> None:
    """List the users of the newest scored drop, the highest value at risk first.

    The value at risk is the probability to leave, times the setting kept_value. If kept_value is
    not set, the highest probability comes first.

    Example: streamflow at-risk --segment "contract_type=Two year" --moved up
    """
    from streamflow.steps.serving.at_risk import RiskFilter, list_at_risk

    pairs = [text.partition("=") for text in segment or []]
    segments = {name: value for name, _, value in pairs}
    chosen = RiskFilter(segments=segments, moved=moved or "", limit=limit)
    with invocation(context).platform() as platform:
        receipt = list_at_risk(platform, chosen)
    show(receipt, as_json=as_json, text=customer_receipts.at_risk)


def user(context: typer.Context, key: EntityKey, as_json: JsonFlag = False) -> None:
    """Show one user: the values in each drop, and the newest answers about the user.

    The answers are those of the newest 24 scored drops, and the newest 100 of the API and of
    'predict'.

    Example: streamflow user 7590-VHVEG --json
    """
    from streamflow.steps.serving.user_record import read_user

    with invocation(context).platform() as platform:
        receipt = read_user(platform, key)
    show(receipt, as_json=as_json, text=customer_receipts.user)


def portfolio(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Show how many users are expected to leave, in each segment and in each drop.

    Example: streamflow portfolio --json
    """
    from streamflow.steps.serving.portfolio import read_portfolio

    with invocation(context).platform() as platform:
        receipt = read_portfolio(platform)
    show(receipt, as_json=as_json, text=customer_receipts.portfolio)
