"""Find faults of accessibility in an open page, in both widths and both colour schemes.

The page is loaded once, and axe with it. After that only the window and the scheme change.
"""

from __future__ import annotations

import json
from typing import Any

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (400, 1280)
HEIGHT = 900
SCHEMES = ("dark", "light")
CONTRAST = "color-contrast"
STRUCTURE_RULES = {
    "runOnly": {"type": "tag", "values": TAGS},
    "rules": {CONTRAST: {"enabled": False}},
    "resultTypes": ["violations"],
}
CONTRAST_RULE = {
    "runOnly": {"type": "rule", "values": [CONTRAST]},
    "resultTypes": ["violations"],
}
TOO_WIDE = "document.documentElement.scrollWidth - window.innerWidth"
OPEN_ALL = "document.querySelectorAll('details').forEach(details => { details.open = true; })"
# axe takes most of its time to look at the colour of each word. Rows of a table that have the same
# elements with the same classes have the same colours: one of them is enough.
KEEP_DIFFERENT_ROWS = """
document.querySelectorAll("tbody, ul, pre").forEach(list => {
  const seen = new Set();
  for (const row of [...list.children]) {
    const parts = [row, ...row.querySelectorAll("*")];
    const kind = parts.map(part => `${part.tagName} ${part.getAttribute("class")}`);
    const name = [...new Set(kind)].sort().join();
    if (seen.has(name)) row.remove();
    seen.add(name);
  }
})
"""


def find_faults(page: Any) -> list[str]:
    """Return what is too wide in an open page, and what axe finds in it."""
    from axe_playwright_python.base import AXE_SCRIPT

    faults = []
    page.evaluate(OPEN_ALL)
    page.evaluate(AXE_SCRIPT)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        wide = page.evaluate(TOO_WIDE)
        if wide > 0:
            faults.append(f"{page.url} at {width} px: {wide} px too wide")
        faults += _ask_axe(page, STRUCTURE_RULES, f"at {width} px")
    page.evaluate(KEEP_DIFFERENT_ROWS)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        faults += _ask_axe(page, CONTRAST_RULE, scheme)
    return faults


def _ask_axe(page: Any, rules: dict[str, Any], view: str) -> list[str]:
    """Return a line for each element that breaks a rule."""
    call = f"axe.run({json.dumps(rules)}).then(results => results.violations)"
    return [
        f"{page.url} {view}: {violation['id']}: {node['html']}: {node['failureSummary']}"
        for violation in page.evaluate(call)
        for node in violation["nodes"]
    ]
