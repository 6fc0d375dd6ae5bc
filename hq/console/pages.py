"""Pages from templates: the visitor's language, the words, and the addresses of static files."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hq.console import figures, words
from hq.console.sentence import board_sentence, store_sentence
from hq.console.summary import summary
from hq.console.words import HTML_LANG, LANGUAGES, Words
from hq.fleet import State

COOKIE = "lang"
COOKIE_AGE_S = 365 * 86_400
ENDONYMS = {"en": "English", "zh": "中文"}  # a language is named in itself
REFRESH_S = 5


class Pages:
    """Renders the templates beside this module."""

    def __init__(self, static: Path) -> None:
        self._versions = {
            str(path.relative_to(static)): sha256(path.read_bytes()).hexdigest()[:12]
            for path in static.rglob("*")
            if path.is_file()
        }
        self._templates = Environment(
            loader=PackageLoader("hq.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            board_sentence=board_sentence,
            elapsed=_elapsed,
            exact_time=_exact_time,
            figures=figures,
            State=State,
            static=self._static,
            store_sentence=store_sentence,
            summary=summary,
        )

    def html(
        self, request: Request, template: str, status: HTTPStatus = HTTPStatus.OK, **values: object
    ) -> HTMLResponse:
        """A page in the visitor's language; a language asked for in the address is remembered."""
        asked = request.query_params.get("lang")
        language = words.choose(asked, request.cookies.get(COOKIE), request.headers.get("accept-language", ""))
        text = self._templates.get_template(template).render(
            words=Words(language),
            html_lang=HTML_LANG[language],
            address=partial(_address, request),
            languages=[
                (key, HTML_LANG[key], ENDONYMS[key], _address(request, lang=key), key == language) for key in LANGUAGES
            ],
            refresh_s=REFRESH_S,
            **values,
        )
        response = HTMLResponse(text, status, headers={"Vary": "Accept-Language, Cookie"})
        if asked == language:
            response.set_cookie(COOKIE, language, COOKIE_AGE_S, httponly=True, samesite="lax")
        return response

    def _static(self, name: str) -> str:
        return f"/static/{name}?v={self._versions[name]}"


def _address(request: Request, **changed: str) -> str:
    """This page's own address with some of its query changed; what is empty goes."""
    query = urlencode({key: value for key, value in {**request.query_params, **changed}.items() if value})
    return f"{request.url.path}?{query}" if query else request.url.path


def _elapsed(since: datetime, now: datetime) -> float:
    return (now - since) / timedelta(seconds=1)


def _exact_time(text: str, at: datetime, zone: ZoneInfo) -> Markup:
    """`text` as a time element that tells the exact store time."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(figures.machine(at), figures.exact(at, zone), text)
