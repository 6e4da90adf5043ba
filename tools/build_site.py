"""Build the documentation site in build/site: `make docs`.

The pages are those of docs/, README.md as the first page, and the pages that stand beside it. They
are copied to build/pages, where each link leads to the place that its target has in the site. A
link to a source file becomes the path of the file, because the site has no source files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "build" / "pages"
SITE = ROOT / "build" / "site"
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


def main() -> int:
    """Write the pages and build the site. Return the exit code of Zensical."""
    write_pages()
    shutil.rmtree(SITE, ignore_errors=True)
    zensical = Path(sys.executable).with_name("zensical")
    command = [str(zensical), "build", "--clean", "--config-file", str(ROOT / "zensical.toml")]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code == 0:
        print("to read it: python -m http.server --directory build/site 8600")
    return code


if __name__ == "__main__":
    sys.exit(main())
