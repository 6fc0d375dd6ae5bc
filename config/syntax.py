"""What YAML's own complaints mean, in words that say what to do."""

from __future__ import annotations

import yaml

# Part of the parser's problem -> our sentence, and whether the fault is where the construct began.
_SENTENCES = (
    (
        "mapping values are not allowed",
        "a second `: ` on the line or a wrong indentation; quote a text with `: `",
        False,
    ),
    ("could not find expected ':'", "neither `key: value` nor a list item; is a colon missing?", True),
    ("but found another document", "a second document begins; one file holds one store, remove the `---`", False),
    ("expected <block end>", "the indentation fits no line above; align it with its neighbours", False),
    ("unexpected end of stream", "a quote is opened and never closed", True),
    ("unexpected document separator", "a quote is opened and never closed", True),
    ("expected ',' or ']'", "a list in [ ] is not closed, or lacks a comma", True),
    ("expected ',' or '}'", "a mapping in { } is not closed, or lacks a comma", True),
    ("cannot start any token", "a text may not begin with this character; put it in quotes", False),
    ("unknown escape character", 'a backslash in "…" begins an escape; use single quotes', False),
    ("block sequence entries are not allowed", "a list item may not stand here; put `- ` on a line of its own", False),
)


def explain(error: yaml.MarkedYAMLError) -> tuple[int, str]:
    """Line, from 1, and sentence."""
    problem = str(error.problem or error.context)
    for part, sentence, at_start in _SENTENCES:
        if part in problem:
            return _line(error, at_start), sentence
    return _line(error, False), f"is not YAML: {problem}"


def _line(error: yaml.MarkedYAMLError, at_start: bool) -> int:
    first, second = error.context_mark, error.problem_mark
    mark = (first or second) if at_start else (second or first)
    return mark.line + 1 if mark else 1
