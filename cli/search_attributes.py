"""`dalsegno namespace search-attributes ...`: straight to the database, whether hosts are there or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from dalsegno.cli.logs import configure
from dalsegno.cli.output import print_json, say, table
from dalsegno.errors import ConfigurationError
from dalsegno.search_attributes import (
    Declared,
    SearchAttributeIndexedValueType,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)

_OTHER_NAMES = {"float": "double", "keywordlist": "keyword_list", "boolean": "bool", "string": "keyword"}
_TYPES = {type_.value: type_ for type_ in SearchAttributeIndexedValueType}


def add(database: str, name: str, type_: str) -> None:
    wanted = attribute_type(type_)
    from dalsegno.cli.namespace import checked_store

    configure("error")
    with closing(checked_store(database)) as store:
        is_new = store.search_attributes().add(name, wanted)
    say(f"{name} is {'now' if is_new else 'already'} a search attribute of the type {wanted}.")


def list_(database: str, *, as_json: bool) -> None:
    from dalsegno.cli.namespace import checked_store

    configure("error")
    with closing(checked_store(database)) as store:
        declared = store.search_attributes().declared()
    if as_json:
        for name, type_ in declared.items():
            print_json({"name": name, "type": type_})
    elif declared:
        table(["name", "type"], list(declared.items()))
    else:
        say("No search attributes are declared.")


def remove(database: str, name: str, *, force: bool) -> None:
    from dalsegno.cli.namespace import checked_store

    configure("error")
    with closing(checked_store(database)) as store:
        values = store.search_attributes().remove(name, force=force)
    say(f"{name} is no search attribute any more" + (f"; {values} values are gone." if values else "."))


def attribute_type(text: str) -> SearchAttributeIndexedValueType:
    """Raises ConfigurationError."""
    plain = text.lower().replace("-", "_")
    type_ = _TYPES.get(_OTHER_NAMES.get(plain, plain))
    if type_ is None:
        raise ConfigurationError(f"{text!r} is no type of a search attribute; there are {', '.join(_TYPES)}.")
    return type_


def typed(texts: Sequence[str], declared: Declared) -> TypedSearchAttributes:
    """`NAME=VALUE` each, by the types that are declared: a text as it is, all else as JSON or in ISO 8601.
    Raises ConfigurationError."""
    pairs = []
    for text in texts:
        name, is_there, value = text.partition("=")
        if not is_there:
            raise ConfigurationError(f"--search-attribute {text!r} is not NAME=VALUE.")
        type_ = declared.get(name)
        if type_ is None:
            there_are = f"there are {', '.join(declared)}" if declared else "there is none"
            raise ConfigurationError(f"There is no search attribute {name!r} in this namespace; {there_are}.")
        try:
            pairs.append(SearchAttributePair(SearchAttributeKey(name, type_), _value(type_, value)))
            TypedSearchAttributes(pairs)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"--search-attribute {text!r} is not a {type_.value}: {error}") from error
    return TypedSearchAttributes(pairs)


def _value(type_: SearchAttributeIndexedValueType, text: str) -> Any:
    match type_:
        case SearchAttributeIndexedValueType.TEXT | SearchAttributeIndexedValueType.KEYWORD:
            return text
        case SearchAttributeIndexedValueType.DATETIME:
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        case SearchAttributeIndexedValueType.KEYWORD_LIST if not text.startswith("["):
            return text.split(",")
        case _:
            return json.loads(text)
