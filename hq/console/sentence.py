"""What a page opens with: a sentence a person could say aloud."""

from __future__ import annotations

from hq.console import figures
from hq.console.views import Board, StorePage
from hq.console.words import Words
from hq.fleet import State


def board_sentence(board: Board, words: Words) -> str:
    """3 of 5 stores online; 1 late; 1 lost since 07:12."""
    counts = board.counts
    parts = [words("stores_online", online=figures.count(counts[State.ONLINE]), all=figures.count(board.all))]
    if counts[State.LATE]:
        parts.append(words("n_late", count=figures.count(counts[State.LATE])))
    if board.lost_longest and board.lost_longest.heard_at:
        since = figures.minute(board.lost_longest.heard_at, board.lost_longest.zone, board.now)
        parts.append(words("n_lost", count=figures.count(counts[State.LOST]), time=since))
    if counts[State.NEVER]:
        parts.append(words("n_never", count=figures.count(counts[State.NEVER])))
    return words("between").join(parts) + words("stop")


def store_sentence(page: StorePage, words: Words) -> str:
    """0214 is online; all 10,240 accepted records are stored."""
    standing = _standing(page, words)
    if page.row.state is State.NEVER:
        return standing + words("stop")
    return standing + words("between") + _records(page, words) + words("stop")


def _standing(page: StorePage, words: Words) -> str:
    store, state = page.row.store, page.row.state
    if store.heard_at is None:
        return words("store_never", store=store.store)
    if state is State.LATE:
        silence = (page.now - store.heard_at).total_seconds()
        return words("store_late", store=store.store, age=figures.age(silence, words))
    if state is State.LOST:
        since = figures.minute(store.heard_at, store.zone, page.now)
        return words("store_lost", store=store.store, time=since)
    return words("store_online", store=store.store)


def _records(page: StorePage, words: Words) -> str:
    if not page.accepted:
        return words("no_records_yet")
    every = figures.count(page.accepted)
    if page.missing:
        return words("missing_of", count=figures.count(page.missing), all=every)
    if page.waiting:
        key = "one_waits" if page.waiting == 1 else "waiting"
        return words(key, count=figures.count(page.waiting))
    return words("all_stored", count=every)
