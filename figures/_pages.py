"""Tables of figures inside the pages of docs/: what stands between `<!-- table NAME -->` and
`<!-- end -->` is the file NAME.md."""

import re

from lowrank_ode.results import write_whole

from ._places import FOLDER

PAGES = sorted((FOLDER.parent / "docs").glob("*.md"))


def with_tables(text, folder=FOLDER):
    """The page with each of its tables as it is in the folder now, if it is there."""
    def current(found):
        path = folder / f"{found[2]}.md"
        return found[1] + path.read_text("utf-8") + found[3] if path.exists() else found[0]
    return re.sub(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", current, text, flags=re.DOTALL)


def render():
    for page in PAGES:
        text = page.read_text("utf-8")
        rendered = with_tables(text, FOLDER)
        if rendered != text:
            write_whole(page, rendered.encode())
