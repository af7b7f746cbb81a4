"""What an interaction takes in Postgres: `python -m benchmarks.bytes [--interactions 100000]`.

Histories of 1,000 interactions each are written as other benchmarks do, two interactions to a request, and the
database is vacuumed.
"""

import argparse
import asyncio

from benchmarks.database import connect, new_database, opened, postgres
from benchmarks.filling import write_history

_OF_EACH_USER = 1_000

_TABLES = """
    select relname as name, pg_total_relation_size(oid) as size, pg_indexes_size(oid) as indexes
    from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and pg_relation_size(oid) > 0
    order by size desc
"""


async def _measured(interactions: int) -> None:
    async with postgres() as url:
        own = await new_database(url, "bytes")
        async with opened(own):
            pass
        connection = await connect(own)
        size = "select pg_database_size(current_database())"
        before = await connection.fetchval(size)
        for number in range(interactions // _OF_EACH_USER):
            await write_history(connection, f"user {number}", _OF_EACH_USER)
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
        count = await connection.fetchval("select count(*) from interactions")
        text = await connection.fetchval("select avg(octet_length(content)) from interactions")
        grew = await connection.fetchval(size) - before
        print(f"{count:,} interactions of {text:.0f} bytes of text: {grew / count:,.0f} bytes each")
        for row in await connection.fetch(_TABLES):
            if row["size"] > count:
                print(f"  {row['name']}: {row['size'] / count:,.0f}, of these {row['indexes'] / count:,.0f} in indexes")
        await connection.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bytes", description=__doc__)
    parser.add_argument("--interactions", type=int, default=100_000, help="how many to write")
    asyncio.run(_measured(parser.parse_args().interactions))


if __name__ == "__main__":
    main()
