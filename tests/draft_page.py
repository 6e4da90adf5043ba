import os
from pathlib import Path

from support.console import open_session, read_blocks, run_command
from test_documentation import ROOT, _variables
from test_documentation import _make_empty as make_empty

PAGE = os.environ["DRAFT"]
EMPTY = bool(os.environ.get("EMPTY"))


def test_draft(cluster, installation, tmp_path):
    page = Path(PAGE)
    for name in ("tests", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    if EMPTY:
        make_empty(cluster, installation)
    out = open("/tmp/w/T5/out." + page.name, "w")
    with open_session(
        tmp_path, _variables(cluster, installation, tmp_path), is_empty=EMPTY
    ) as session:
        for block in read_blocks(page.read_text()):
            if block.why_not_run or block.is_real:
                continue
            for text in block.run_before:
                out.write("(before) %s\n%s%s\n" % (text, *run_command(session, text)))
            for c in block.commands:
                import time

                t = time.time()
                o, code = run_command(session, c.text)
                out.write(f"$ {c.text}      [{time.time() - t:.1f} s, {code}]\n{o}\n")
                out.flush()
