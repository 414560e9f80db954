"""What the bench says: progress to standard error; tables, in Markdown as
doc/performance.md has them, to standard output."""

import math
import statistics
import sys

# Student's t for 95 %, by degrees of freedom; beyond the last it changes little.
T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def table(title, head, rows):
    """A heading, and a table whose numbers stand below each other."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *rows)]

    def line(cells):
        return "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths)) + " |"

    print(f"\n### {title}\n\n{line(head)}")
    print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    for row in rows:
        print(line(row))


def note(text):
    """What must be read with the table above."""
    print(f"\n{text}")


def spread(values, form):
    """Median, and the smallest and the largest."""
    return (f"{statistics.median(values):{form}}",
            f"{min(values):{form}}..{max(values):{form}}")


def ratios(ours, theirs):
    """Run by run: those of one run were measured one after the other."""
    return [a / b for a, b in zip(ours, theirs) if b]


def interval(values):
    """Where the geometric mean of ratios is by 95 %; None of fewer than two."""
    if len(values) < 2:
        return None
    logs = [math.log(value) for value in values]
    half = (T95[min(len(logs) - 2, len(T95) - 1)] * statistics.stdev(logs)
            / math.sqrt(len(logs)))
    middle = statistics.mean(logs)
    return math.exp(middle - half), math.exp(middle + half)
