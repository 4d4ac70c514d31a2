"""The tables of brokers in a PostgreSQL database, in the schema ``broker``, for all tenants.

``places`` has what a geographical query looks for first: bounds of every geometry, and its shape
where PostGIS is at hand. It alone has no row-level security, under which PostgreSQL uses no index
of geometry; the one statement that reads it names the tenant.
"""

from psycopg import errors

from cityloop.interconnection.postgres.broker_database import PgDatabase
from cityloop.kernel.errors import CorruptError

LAYOUT = 1

_TENANT = "tenant text NOT NULL DEFAULT current_setting('cityloop.tenant')"
_TABLES = {
    "entities": """e bigint NOT NULL, id text COLLATE "C" NOT NULL, types text NOT NULL,
doc text NOT NULL, created bigint NOT NULL, modified bigint NOT NULL, expires bigint,
PRIMARY KEY (tenant, e), UNIQUE (tenant, id)""",
    "entity_types": """type text COLLATE "C" NOT NULL, e bigint NOT NULL,
PRIMARY KEY (tenant, type, e)""",
    "positions": "fold text NOT NULL, position bigint NOT NULL, PRIMARY KEY (tenant, fold)",
    "openings": "of text NOT NULL, opened bigint NOT NULL, PRIMARY KEY (tenant, of)",
    "news": """n bigint NOT NULL, at bigint NOT NULL, whom bytea NOT NULL, body bytea NOT NULL,
PRIMARY KEY (tenant, n)""",
    "outbox": "s bigint NOT NULL, n bigint NOT NULL, PRIMARY KEY (tenant, s, n)",
    "deliveries": "s bigint NOT NULL, told text NOT NULL, PRIMARY KEY (tenant, s)",
    "outbox_begun": "position bigint NOT NULL, PRIMARY KEY (tenant)",
    "subscriptions": """s bigint NOT NULL, id text NOT NULL, since bigint NOT NULL,
created bigint NOT NULL, modified bigint NOT NULL, terms bigint NOT NULL, asked bigint NOT NULL,
doc text NOT NULL, PRIMARY KEY (tenant, s), UNIQUE (tenant, id)""",
    "terms": "t bigint NOT NULL, kept text NOT NULL, PRIMARY KEY (tenant, t)",
}
_INDEXES = """
CREATE INDEX entities_expire ON entities(tenant, expires) WHERE expires IS NOT NULL;
CREATE INDEX outbox_news ON outbox(tenant, n);
CREATE INDEX news_due ON news(tenant, n) WHERE length(whom) > 0;
CREATE INDEX places_bounds ON places USING gist (bounds);
ALTER TABLE entities SET (fillfactor = 80);
"""
_PLACES = """
CREATE TABLE places(
    tenant text NOT NULL DEFAULT current_setting('cityloop.tenant'), e bigint NOT NULL,
    attribute text NOT NULL, bounds box NOT NULL
);
CREATE INDEX places_of ON places(tenant, e);
"""
_SHAPES = """
ALTER TABLE places ADD COLUMN shape geometry;
UPDATE places SET shape = ST_MakeEnvelope(
    (bounds[1])[0], (bounds[1])[1], (bounds[0])[0], (bounds[0])[1]);
CREATE INDEX places_shape ON places USING gist (shape);
"""
"""An envelope stands for a shape that was kept before: it is met wherever the shape is."""

_BROKERS = """
CREATE TABLE layout(version integer NOT NULL);
CREATE TABLE tenants(name text PRIMARY KEY);
CREATE TABLE contexts(
    id text PRIMARY KEY, url text UNIQUE, kind text NOT NULL, created bigint NOT NULL,
    document bytea NOT NULL, tenant text NOT NULL
);
"""
"""Of all tenants: who they are, and the @contexts, which a broker keeps for all (a hosted one says
whose it is)."""

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('cityloop broker schema'))"


def prepare(database: PgDatabase) -> bool:
    """Make the tables where they do not exist; whether there is PostGIS.

    Raises CorruptError where they are of another release.
    """
    has_postgis = _with_postgis(database)
    with database.transaction():
        database.execute(_ALONE)
        if not database.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'broker'"):
            _make(database)
        ((version,),) = database.execute("SELECT version FROM broker.layout")
        if version != LAYOUT:
            raise CorruptError(
                f"{database.place} has layout {version}, not {LAYOUT}; it is of another release"
            )
        has_shapes = bool(database.execute(_HAS_SHAPES))
        if has_postgis and not has_shapes:
            _run(database, _SHAPES)
    return has_postgis


_HAS_SHAPES = "SELECT 1 FROM information_schema.columns \
WHERE table_schema = 'broker' AND table_name = 'places' AND column_name = 'shape'"


def _with_postgis(database: PgDatabase) -> bool:
    """Whether PostGIS is there; it is taken up where the role may do so."""
    if database.execute("SELECT 1 FROM pg_extension WHERE extname = 'postgis'"):
        return True
    try:
        database.execute("CREATE EXTENSION postgis SCHEMA public")
    except (errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFile):
        return False
    return True


def _make(database: PgDatabase) -> None:
    _run(database, "CREATE SCHEMA broker;" + _BROKERS + _PLACES)
    database.execute("INSERT INTO layout VALUES (?)", (LAYOUT,))
    for name, columns in _TABLES.items():
        # Statements that both stores share name their columns: the tenant fills itself.
        database.execute(f"CREATE TABLE {name}({_TENANT}, {columns})")
        database.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        database.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
        database.execute(
            f"CREATE POLICY own ON {name} USING (tenant = current_setting('cityloop.tenant'))"
        )
    _run(database, _INDEXES)


def _run(database: PgDatabase, statements: str) -> None:
    for statement in statements.split(";"):
        if statement.strip():
            database.execute(statement)
