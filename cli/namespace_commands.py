"""`dalsegno namespace ...`: what a namespace has for all of its workflows."""

from __future__ import annotations

from typing import Annotated

import typer

from dalsegno.cli import options

TYPES = "text, keyword, int, double, bool, datetime, keyword_list"
"""Written here, so that help loads nothing that works."""

app = typer.Typer(name="namespace", help="What a namespace has for all of its workflows.", no_args_is_help=True)
attributes = typer.Typer(
    name="search-attributes",
    help="The attributes by which runs can be found (docs/search-attributes.md).",
    no_args_is_help=True,
)
app.add_typer(attributes, name="search-attributes")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The attribute's name.", show_default=False)]


@attributes.command()
def add(
    name: Name,
    type_: Annotated[str, typer.Argument(metavar="TYPE", help=f"One of {TYPES}.", show_default=False)],
    database: options.Database = options.DEFAULT_DATABASE,
) -> None:
    """Declare an attribute. Hosts know it within seconds.

    Examples:
      dalsegno namespace search-attributes add Customer keyword
      dalsegno namespace search-attributes add Total double
    """
    from dalsegno.cli import search_attributes

    search_attributes.add(database, name, type_)


@attributes.command(name="list")
def list_(database: options.Database = options.DEFAULT_DATABASE, as_json: options.AsJson = False) -> None:
    """The attributes that are declared."""
    from dalsegno.cli import search_attributes

    search_attributes.list_(database, as_json=as_json)


@attributes.command()
def remove(
    name: Name,
    database: options.Database = options.DEFAULT_DATABASE,
    force: Annotated[
        bool, typer.Option("--force", help="Also where runs have it: it is taken from all of them.")
    ] = False,
) -> None:
    """Take a declaration back."""
    from dalsegno.cli import search_attributes

    search_attributes.remove(database, name, force=force)
