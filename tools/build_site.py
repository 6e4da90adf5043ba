"""Build the documentation site of this version in build/site/VERSION: `make docs`.

The pages are those of docs/, README.md as the first page, and the pages that stand beside it. They
are copied to build/pages, where each link leads to the place that its target has in the site. A
link to a source file becomes the path of the file, because the site has no source files.

A site holds a folder for each version. `versions.json` lists them for the selector in the header of
each page, and the first page lists them for people. A different folder, such as that of a web
server with the earlier versions, can be named: `make docs SITE=/srv/docs`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "build" / "pages"
NEW_SITE = ROOT / "build" / "new-site"  # as zensical.toml says
UNRELEASED = "unreleased"
FIRST_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>streamflow: the documentation of each version</title>
</head>
<body>
<h1>The documentation of each version of streamflow</h1>
<ul>
{items}
</ul>
</body>
</html>
"""
FIRST_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "report-a-fault.md",
    "LICENSE": "license.md",
}
DECISIONS = "decisions"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
ITEM = re.compile(r"(?:-|\d+\.) ")
ITEM_INDENT = 4 * " "
CODE = re.compile(r"^(```.*?^```|~~~.*?^~~~)", re.MULTILINE | re.DOTALL)


def list_targets() -> dict[str, str]:
    """Return each file that becomes a page or a picture -> its path in the site's sources."""
    targets = {name: page for name, page in FIRST_PAGES.items() if (ROOT / name).exists()}
    for path in sorted((ROOT / "docs").rglob("*")):
        if path.is_file():
            page = path.relative_to(ROOT / "docs")
            is_notebook = path.suffix == ".py"
            name = page.with_suffix(".md") if is_notebook else page
            targets[path.relative_to(ROOT).as_posix()] = name.as_posix()
    targets[f"docs/{DECISIONS}"] = f"{DECISIONS}/index.md"
    return targets


def read_notebook(text: str) -> str:
    r"""Turn a Python file with cells into a page.

    >>> print(read_notebook("# %% [markdown]\n# # Title\n\n# %%\nx = 1\n"))
    # Title
    <BLANKLINE>
    ```python
    x = 1
    ```
    """
    parts = []
    for cell in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        kind, _, body = cell.partition("\n")
        if "[markdown]" in kind:
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.splitlines()]
            parts.append("\n".join(lines).strip())
        else:
            parts.append(f"```python\n{body.strip()}\n```")
    return "\n\n".join(parts)


def read_page(source: str) -> str:
    """Return the text of a page."""
    text = (ROOT / source).read_text(encoding="utf-8")
    if source.endswith(".py"):
        return read_notebook(text)
    if source == "LICENSE":
        return f"# License\n\n```text\n{text.rstrip()}\n```\n"
    return text


def adapt_page(text: str, source: str, targets: dict[str, str]) -> str:
    """Return the text of a page as the site needs it: its links and lists; not its code."""
    folder = (ROOT / source).parent
    place = Path(targets[source]).parent

    def move(link: re.Match[str]) -> str:
        picture, label, path, anchor = link[1], link[2], link[3], link[4] or ""
        if not path or path.startswith(("http:", "https:", "mailto:")):
            return link[0]
        file = (folder / path).resolve().relative_to(ROOT).as_posix()
        if file not in targets:
            return f"{label} (`{file}`)"
        target = os.path.relpath(targets[file], place)
        return f"{picture}[{label}]({target}{anchor})"

    parts = CODE.split(text)
    return "".join(
        part if CODE.match(part) else adapt_lists(LINK.sub(move, part)) for part in parts
    )


def adapt_lists(text: str) -> str:
    r"""Write lists as Python's Markdown reads them: after a blank line, and 4 spaces deep.

    >>> print(adapt_lists("Two:\n- one\n  - of it\n- two\n"))
    Two:
    <BLANKLINE>
    - one
        - of it
    <BLANKLINE>
    - two
    <BLANKLINE>
    """
    lines: list[str] = []
    width = 0  # of the mark of the list item that the line may belong to
    for line in text.split("\n"):
        item = ITEM.match(line)
        is_after_blank = not lines or not lines[-1].strip()
        if item:
            is_after_inside = bool(lines) and lines[-1].startswith(ITEM_INDENT)
            if not is_after_blank and (not width or is_after_inside):
                lines.append("")
            width = len(item[0])
        elif line and not line.startswith(" ") and is_after_blank:
            width = 0
        is_inside = bool(width) and line.startswith(" " * width)
        lines.append(ITEM_INDENT + line[width:] if is_inside else line)
    return "\n".join(lines)


def list_decisions() -> Iterator[str]:
    """Yield the lines of the page that lists the decisions."""
    yield "# Decisions\n"
    for path in sorted((ROOT / "docs" / DECISIONS).glob("*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        yield f"- [{title}]({path.name})"


def write_pages() -> None:
    """Write the sources of the site anew."""
    shutil.rmtree(PAGES, ignore_errors=True)
    targets = list_targets()
    for source, name in targets.items():
        page = PAGES / name
        page.parent.mkdir(parents=True, exist_ok=True)
        if source == f"docs/{DECISIONS}":
            page.write_text("\n".join(list_decisions()) + "\n", encoding="utf-8")
        elif name.endswith(".md"):
            page.write_text(adapt_page(read_page(source), source, targets), encoding="utf-8")
        else:
            shutil.copyfile(ROOT / source, page)


def name_version(changelog: str) -> str:
    r"""Return the newest version of the changelog, or "unreleased" where it has later changes.

    >>> name_version("## Unreleased\n\n## 1.0.0 (2026-11-27)\n")
    '1.0.0'
    >>> name_version("## Unreleased\n\n- New.\n\n## 1.0.0 (2026-11-27)\n")
    'unreleased'
    """
    _, unreleased, newest = re.split(r"^## ", changelog, flags=re.MULTILINE)[:3]
    _, _, changes = unreleased.partition("\n")
    return UNRELEASED if changes.strip() else newest.split()[0]


def list_versions(site: Path) -> list[str]:
    """Return the versions that a site has a folder of: releases, the newest first."""
    names = [path.parent.name for path in site.glob("*/index.html")]
    releases = [name for name in names if re.fullmatch(r"\d+(\.\d+)*", name)]
    releases.sort(key=lambda name: [int(part) for part in name.split(".")], reverse=True)
    return releases + [name for name in names if name == UNRELEASED]


def write_list(site: Path) -> None:
    """Write the list of the versions, for the selector and as the first page of the site."""
    names = list_versions(site)
    entries: list[dict[str, object]] = [
        {"version": name, "title": name, "aliases": ["latest"] if name == names[0] else []}
        for name in names
    ]
    (site / "versions.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    items = "\n".join(f'<li><a href="{name}/index.html">{name}</a></li>' for name in names)
    (site / "index.html").write_text(FIRST_PAGE.format(items=items), encoding="utf-8")


def main(site: Path) -> int:
    """Write the pages and build this version into the site. Return the exit code of Zensical."""
    write_pages()
    zensical = Path(sys.executable).with_name("zensical")
    command = [str(zensical), "build", "--clean", "--config-file", str(ROOT / "zensical.toml")]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code == 0:
        version = name_version((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
        shutil.rmtree(site / version, ignore_errors=True)
        site.mkdir(parents=True, exist_ok=True)
        (NEW_SITE / "404.html").unlink()  # its links begin at the root, where no version is
        shutil.move(NEW_SITE, site / version)
        write_list(site)
        print(f"built {version}; to read it: python -m http.server --directory {site} 8600")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
