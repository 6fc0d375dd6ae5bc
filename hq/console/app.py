"""The console's addresses. Everything a page shows is in its address, so that a link can be shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import psycopg
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from hq.console import views
from hq.console.guard import Guard
from hq.console.pages import Pages
from hq.fleet import State

STATIC = Path(__file__).parent / "static"
CONNECT_S = 3
STATEMENT_MS = 5_000
Clock = Callable[[], datetime]


def make_app(dsn: str, hosts: Sequence[str], clock: Clock) -> FastAPI:
    """The console over the database at `dsn`, answering to the names in `hosts` ("*": to any)."""
    app = FastAPI(title="store-edge", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.add_middleware(GZipMiddleware)  # pages hold no secret that a chosen text beside it could reveal by its length
    app.add_middleware(Guard)  # outermost, so that a refusal has its headers too
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    pages = Pages(STATIC)
    _add_pages(app, pages, dsn, clock)
    _add_health(app, dsn)
    _add_faults(app, pages)
    return app


@contextmanager
def reading(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """One read-only snapshot of the database, with a limit on how long it may take."""
    options = f"-c statement_timeout={STATEMENT_MS}"
    with psycopg.connect(dsn, connect_timeout=CONNECT_S, options=options) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


def _add_pages(app: FastAPI, pages: Pages, dsn: str, clock: Clock) -> None:
    @app.get("/", response_class=HTMLResponse)
    def board(request: Request, state: Annotated[str, Query(max_length=16)] = "") -> HTMLResponse:
        chosen = State(state) if state in list(State) else None
        with reading(dsn) as connection:
            shown = views.board(connection, clock(), chosen)
        return pages.html(request, "board.html", board=shown)

    @app.get("/store/{name}", response_class=HTMLResponse)
    def store(request: Request, name: str) -> HTMLResponse:
        with reading(dsn) as connection:
            page = views.store_page(connection, clock(), name)
        if page is None:
            return pages.html(request, "no_store.html", HTTPStatus.NOT_FOUND, store=name)
        return pages.html(request, "store.html", page=page)


def _add_health(app: FastAPI, dsn: str) -> None:
    @app.get("/health")
    def health() -> JSONResponse:
        """200 while the console can read its tables, else 503."""
        try:
            with reading(dsn) as connection:
                connection.execute("SELECT 1 FROM store LIMIT 1")
        except psycopg.Error:
            return JSONResponse({"state": "failed", "database": "no answer"}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"state": "ok", "database": "ok"})


def _add_faults(app: FastAPI, pages: Pages) -> None:
    @app.exception_handler(psycopg.OperationalError)
    @app.exception_handler(psycopg.errors.UndefinedTable)
    def no_database(request: Request, _: Exception) -> HTMLResponse:
        return pages.html(request, "no_database.html", HTTPStatus.SERVICE_UNAVAILABLE)

    @app.exception_handler(HTTPException)
    def no_page(request: Request, error: HTTPException) -> HTMLResponse:
        return pages.html(request, "no_page.html", HTTPStatus(error.status_code))
