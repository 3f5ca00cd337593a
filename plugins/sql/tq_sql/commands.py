"""`tq sql upgrade` and `tq sql version`: added to the command line by the hook `tq_commands`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tq.contracts.hooks import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def tq_commands() -> Sequence[click.Command]:
    """`tq sql …`."""
    import click

    @click.group(short_help="Make and upgrade tables in SQL databases.")
    def sql() -> None:
        """Tables of the plugin tq-sql."""

    url = click.argument("url", required=False)

    @sql.command("upgrade", short_help="Make the tables, or bring them up to date.")
    @url
    @click.pass_obj
    def upgrade_command(state: Any, /, url: str | None) -> None:
        """Make the tables of tq in a database, or bring those of an older tq-sql up to date.

        Without a URL: in each SQL database that the app's broker_url and result_backend name. Run it as a user that
        may create tables, while workers of the older version are stopped. It does nothing where nothing is to do.

        \b
          tq -A shop sql upgrade
          tq sql upgrade postgresql://admin@db/shop
        """
        from tq_sql.migration import upgrade

        for target, options in _targets(state, url):
            done = upgrade(target, options)
            before = f"version {done.before}" if done.before else "no tables"
            said = "up to date" if done.before == done.after else f"{before} -> version {done.after}"
            click.echo(f"{_shown(target)}: {said}")

    @sql.command("version", short_help="Say of which version the tables are.")
    @url
    @click.pass_obj
    def version_command(state: Any, /, url: str | None) -> None:
        """Say of which version the tables are, and which one this tq-sql needs."""
        from tq_sql.migration import version
        from tq_sql.tables import VERSION

        for target, options in _targets(state, url):
            found = version(target, options)
            click.echo(f"{_shown(target)}: {'no tables' if found is None else found} (needed: {VERSION})")

    return [sql]


def _targets(state: Any, url: str | None) -> list[tuple[str, Mapping[str, Any]]]:
    """URL and options of each database, once."""
    from tq.errors import ImproperlyConfigured
    from tq_sql.urls import is_sql

    if url is not None:
        return [(url, {})]
    conf = state.app().conf
    named = [
        (conf.broker_url, conf.broker_transport_options),
        (conf.result_backend, conf.result_backend_transport_options),
    ]
    found = {each: options or {} for each, options in reversed(named) if each and is_sql(each)}
    if not found:
        raise ImproperlyConfigured(
            "neither broker_url nor result_backend names an SQL database; give its URL"
        )
    return list(found.items())[::-1]


def _shown(url: str) -> str:
    from tq.options import mask_url

    return mask_url(url)
