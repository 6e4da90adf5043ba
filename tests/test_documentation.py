"""What the pages show is what the commands print.

The test runs the `$` commands of each console block of a page, in order, in a folder of its own
with a fresh installation, and compares the output line by line. The rules for a page:

- A console block is a fenced block with a line that begins with `$ `.
  A command may go on in the next line after a backslash.
- A line `…` stands for any number of lines that are left out.
  `…` within a line stands for any text.
- Not compared: progress (`… training`), frames of tables, blank lines, the width of white space.
- Masked on both sides (`MASKS` in `support/console.py`): run ids of 32 digits, instants of 2025
  and later, ports, seconds, megabytes, `age_days`.
- `<!-- not run: REASON -->` above a block: it is shown and not run.
- `<!-- run in: PLACE -->` above a block: tests/integration/test_page_blocks.py runs it in a
  prepared installation (support/page_states.py), whose numbers are not those of the page.
- `<!-- run by: FILE -->` above a block: this test reads the block from the page and runs it.
- `<!-- data: real months -->` above a block: it runs in a separate folder and installation, in
  which `data` is the folder of the real months. Without that folder it is skipped.
- `<!-- run before: COMMAND -->` above a block, once for each command: the command runs before the
  block and has to succeed. The page does not show it.
- `streamflow run` runs its three steps without Prefect's server. `streamflow serve` and a `curl`
  to port 8000 use an API that is started on a free port. `export NAME=VALUE` holds until the end
  of the page.
- A page with `streamflow --catalog catalog.toml run` or `export STREAMFLOW_CATALOG=…` begins with
  an empty database, a different page with one that is migrated already.
- The folder has links to `tests` and `docs`, like a clone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.console import (
    Block,
    Command,
    agrees,
    comparable,
    describe_difference,
    open_session,
    read_blocks,
    run_command,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Cluster

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]
# Pages that take too long for `make test`: `make prove` runs them, in tests/proofs/test_pages.py.
PROVEN_PAGES = {"docs/how-to/add-a-feature.md", "docs/how-to/bad-and-late-data.md"}
TABLE_WIDTH = "200"  # of rich's tables: no cell is cut


def _blocks(page: str) -> list[Block]:
    return read_blocks((ROOT / page).read_text(encoding="utf-8"))


def _is_run_here(block: Block) -> bool:
    return not (block.why_not_run or block.state or block.run_by)


def list_runs(pages: Iterable[str]) -> list[tuple[str, bool]]:
    """Return each page with a command that runs, and whether its data are the real months."""
    runs = []
    for page in sorted(pages):
        kinds = {block.is_real for block in _blocks(page) if _is_run_here(block)}
        runs += [(page, is_real) for is_real in sorted(kinds)]
    return runs


def name_run(value: object) -> str:
    return value if isinstance(value, str) else ("simulated", "real")[bool(value)]


# A page with such a command begins with an empty database, in place of one with our own catalog.
OWN_CATALOG = ("export STREAMFLOW_CATALOG=", "streamflow --catalog catalog.toml run ")


@pytest.mark.parametrize(("page", "is_real"), list_runs(set(PAGES) - PROVEN_PAGES), ids=name_run)
def test_a_page_shows_what_its_commands_print(
    page: str,
    is_real: bool,
    cluster: Cluster,
    installation: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if is_real:
        (tmp_path / "data").symlink_to(request.getfixturevalue("real_drops"))
    compare_page(page, is_real, cluster, installation, tmp_path)


def compare_page(
    page: str, is_real: bool, cluster: Cluster, installation: str, tmp_path: Path
) -> None:
    """Run the blocks of a page with one kind of data, and compare what they print with it."""
    for name in ("tests", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    has_own_catalog = any(
        command.text.startswith(OWN_CATALOG)
        for block in _blocks(page)
        for command in block.commands
    )
    if has_own_catalog:
        cluster.make_empty(installation)
    variables = _variables(cluster, installation, tmp_path)
    with open_session(tmp_path, variables, is_empty=has_own_catalog) as session:
        for block in _blocks(page):
            if block.is_real != is_real or not _is_run_here(block):
                continue
            for text in block.run_before:
                output, code = run_command(session, text)
                assert code == 0, f"{page}: {text}\n{output}"
            for command in block.commands:
                output, _ = run_command(session, command.text)
                printed = comparable(output.splitlines())
                is_same = agrees(comparable(command.shown), printed)
                assert is_same, describe_difference(page, command, printed)


def _variables(cluster: Cluster, installation: str, folder: Path) -> dict[str, str]:
    """Return what names the installation. All other settings have their defaults."""
    variables = cluster.variables(installation, folder / ".streamflow")
    names = ("STREAMFLOW_HOME", "STREAMFLOW_DATABASE_URL", "STREAMFLOW_MLFLOW_DATABASE")
    return {name: variables[name] for name in names} | {"COLUMNS": TABLE_WIDTH}


def test_pages_that_make_prove_runs_exist() -> None:
    assert set(PAGES) >= PROVEN_PAGES


def test_a_block_has_commands_and_at_most_one_mark() -> None:
    for page in PAGES:
        for block in _blocks(page):
            place = f"{page}:{block.line_number}"
            assert block.commands, f"{place}: a console block without a command"
            marks = [mark for mark in (block.why_not_run, block.state, block.run_by) if mark]
            assert len(marks) <= 1, f"{place}: {marks}"


def test_a_test_that_runs_a_block_names_its_page() -> None:
    for page in PAGES:
        for block in _blocks(page):
            if block.run_by:
                test = (ROOT / block.run_by).read_text(encoding="utf-8")
                assert Path(page).name in test, f"{page}:{block.line_number}: {block.run_by}"


def _anchors(text: str) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def test_each_link_leads_to_a_file_and_a_heading() -> None:
    pages = [
        ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
    ]
    pages += sorted((ROOT / "docs").rglob("*.md"))
    broken = []
    for page in pages:
        links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8"))
        for path, anchor in links:
            if path.startswith(("http:", "https:")):
                continue
            target = (page.parent / path) if path else page
            exists = target.exists()
            if exists and anchor:
                exists = anchor in _anchors(target.read_text(encoding="utf-8"))
            if not exists:
                broken.append(f"{page.relative_to(ROOT)}: {path}#{anchor}")
    assert not broken


def test_decisions_are_numbered_without_gaps_and_each_is_linked() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(path.name.partition("-")[0]) for path in decisions]
    assert numbers == list(range(1, len(decisions) + 1))
    texts = {ROOT / page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    for number, path in zip(numbers, decisions, strict=True):
        assert texts[path].startswith(f"# {number}. ")
        assert any(path.name in text for page, text in texts.items() if page != path), path.name


PAGE = """
<!-- run before: streamflow simulate data -->
<!-- data: real months -->
```console
$ streamflow train \\
    --as-of 2024-01-31
  checked 5 cells
  …
[OK] run_id=0123456789abcdef0123456789abcdef AUC=0.79
$ streamflow models
```

```
no command: not a console block
```

<!-- not run: needs Docker -->
```
$ docker compose up
```
"""


def test_console_blocks_are_read_with_their_comments() -> None:
    first, second = read_blocks(PAGE)
    shown = (
        "  checked 5 cells",
        "  …",
        "[OK] run_id=0123456789abcdef0123456789abcdef AUC=0.79",
    )
    assert first.commands == (
        Command(5, "streamflow train --as-of 2024-01-31", shown),
        Command(10, "streamflow models"),
    )
    assert (first.is_real, first.why_not_run) == (True, "")
    assert first.run_before == ("streamflow simulate data",)
    assert (second.is_real, second.why_not_run) == (False, "needs Docker")


@pytest.mark.parametrize(
    ("shown", "printed", "is_same"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["a", "c", "b"], False),
        (["a", "…", "b"], ["a", "c", "d", "b"], True),
        (["a", "…", "b"], ["a", "b"], True),
        (["a", "…"], ["b"], False),
        (["AUC=0.79"], ["AUC=0.78"], False),
        (["id=4…", "x"], ["id=45", "x"], True),
        (["id=4… x"], ["id=35 x"], False),
        ([], ["a"], False),
    ],
)
def test_a_cut_stands_for_lines_and_everything_else_has_to_agree(
    shown: list[str], printed: list[str], is_same: bool
) -> None:
    assert agrees(shown, printed) == is_same


def test_only_what_varies_is_masked() -> None:
    lines = [
        "[OK] known_at=2026-11-27T02:04:18.824298+00:00 as_of=2024-02-29T00:00:00+00:00",
        "┏━━━┓",
        "┃ a   ┃",
        "… training",
        "",
        '"age_days":1031.0,"x":22.5',
    ]
    assert comparable(lines) == [
        "[OK] known_at=<instant> as_of=2024-02-29T00:00:00+00:00",
        "│ a │",
        '"age_days":<days>,"x":22.5',
    ]
