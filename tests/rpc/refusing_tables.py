"""Tables of a server's database whose rows Postgres refuses for as long as a test wants it."""

import asyncpg
from sqlalchemy import make_url


class RefusingTables:
    """The database of a server."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)

    async def run(self, *statements: str) -> object:
        """Run statements. Returns what the last one says."""
        connection = await asyncpg.connect(
            host=self.url.query["host"], user=self.url.username, database=self.url.database, timeout=20
        )
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    async def refuse(self, table: str, state: str, message: str = "no", *, when: str = "true") -> None:
        """Have insertions into a table fail with this SQLSTATE, and count them.

        Args:
            table: Which table.
            state: The SQLSTATE.
            message: What Postgres is to say.
            when: For which rows: a condition on `new`, and on `refused`, how often it was asked before.
        """
        await self.run(
            "create sequence refusals",
            f"""create function refuse() returns trigger language plpgsql as $$
                declare refused bigint := nextval('refusals') - 1;
                begin
                    if {when} then raise exception '{message}' using errcode = '{state}'; end if;
                    return new;
                end $$""",
            f"create trigger refusing before insert on {table} for each row execute function refuse()",
        )

    async def refusals(self) -> int:
        """How many insertions it was asked about; a sequence is not undone with its transaction."""
        return await self.run("select case when is_called then last_value else 0 end from refusals")

    async def relent(self) -> None:
        """Let everything in again."""
        await self.run("drop function refuse cascade", "drop sequence refusals")
