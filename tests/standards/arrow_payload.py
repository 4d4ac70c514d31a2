"""Arrow streams of observations, as a platform writes them."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

TYPE = "TrafficFlowObserved"


def stream(
    columns: Mapping[Any, Any],
    *,
    type_: str = TYPE,
    compression: str | None = None,
    rows: int | None = None,
    **kinds: pa.DataType,
) -> bytes:
    """``columns``: name (or field) → cells. ``rows``: in one record batch. ``kinds``: what bytes
    are said to be that nobody has checked."""
    arrays = {
        name if isinstance(name, str) else name.name: cells
        if isinstance(cells, pa.Array)
        else pa.array(cells, None if isinstance(name, str) else name.type)
        for name, cells in columns.items()
    }
    for name, kind in kinds.items():
        arrays[name] = pa.Array.from_buffers(kind, len(arrays[name]), arrays[name].buffers())
    fields = [
        pa.field(name, arrays[name].type) if isinstance(name, str) else name for name in columns
    ]
    metadata = {"type": type_} if type_ else None
    table = pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(fields, metadata))
    into = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(into, table.schema, options=options) as writer:
        writer.write_table(table, rows)
    return into.getvalue().to_pybytes()
