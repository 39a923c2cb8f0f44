"""From outcomes and reasons to a page, and to complaints."""

import textwrap


def reasons(text):
    """{(file, change): reason} from blocks that are separated by empty lines: "# file" heads them;
    lines of the change, then the reason."""
    found, file = {}, None
    for block in text.strip().split("\n\n"):
        if block.startswith("# "):
            file = block[2:].strip()
        else:
            *change, reason = block.splitlines()
            found[file, "\n".join(change)] = reason
    return found


def report(outcome, reasons):
    """(page in Markdown, complaints)."""
    alive = {(file, change) for file, result in outcome.items() for change in result["alive"]}
    complaints = [f"alive without a reason: {file}\n{change}"
                  for file, change in sorted(alive - set(reasons))]
    complaints += [f"a reason, but not alive: {file}\n{change}"
                   for file, change in sorted(set(reasons) - alive) if file in outcome]
    rows = [(f"`{file}` | {result.get('source', 'older code')}", result["mutants"],
             result["killed"], sum((file, change) in reasons for change in result["alive"]))
            for file, result in outcome.items()]
    rows.append(("all |", *(sum(row[k] for row in rows) for k in (1, 2, 3))))
    lines = ["# Mutation testing: the last run", "",
             "Written by `python -m tests.mutation`; [What it means](mutation-testing.md).", "",
             "| file | its SHA-256 | mutants | killed | equivalent | alive | killed / all "
             "| killed / (all − equivalent) |",
             "|---|---|---|---|---|---|---|---|"]
    for name, mutants, killed, equivalent in rows:
        lines.append(f"| {name} | {mutants} | {killed} | {equivalent} | "
                     f"{mutants - killed - equivalent} | {killed / mutants:.1%} "
                     f"| {killed / (mutants - equivalent):.1%} |")
    for title, listed in (("Alive", False), ("Equivalent, and why", True)):
        lines += ["", f"## {title}"]
        for file, result in outcome.items():
            changes = [change for change in result["alive"]
                       if ((file, change) in reasons) == listed]
            lines += ["", f"### {file}"] if changes else []
            for change in changes:
                why = [textwrap.fill(reasons[file, change], 100)] if listed else []
                lines += ["", "```diff", change, "```"]
                lines += [line for text in why for line in ("", text)]
    return "\n".join(lines) + "\n", complaints
