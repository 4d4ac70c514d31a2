"""``Cold`` in Delta tables: ``types/<Type>`` holds what was observed, ``log`` every commit with
what rows do not tell (API writes, changes, the make of its parts), ``lists`` the lists of ids.

A chunk is a stretch of positions; no file stands for it. Each table's last commit names the
position that it reached, so a chunk that is written again after a kill adds only what is missing.
``log`` is written last: what it reached lies in all tables.
"""

import re
import threading
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityloop.interconnection.cold import Part, Span
from cityloop.interconnection.delta.lake import Lake
from cityloop.interconnection.delta.layout import (
    TIME,
    Ints,
    Lists,
    Sorting,
    Stretch,
    Told,
    Whole,
    in_order,
    read_entries,
    read_whole,
    whole,
    with_parts,
    write_entries,
)
from cityloop.interconnection.thinning import Keeps, thinned
from cityloop.kernel.clock import WallTime
from cityloop.kernel.errors import ConfigError, CorruptError
from cityloop.kernel.frame import Bools, EntityIds
from cityloop.kernel.ports import API_RUN, API_SOURCE, Batch, Commit, Position
from cityloop.standards.arrow import read_batch, write_batch
from cityloop.standards.retention import Keep

_LOG, _LISTS = "log", "lists"
_DAY_MS = 86_400_000
_BARE = ["position", "committedAt", "source", "run", "sequence", "rest"]
_Entries: TypeAlias = tuple[Told | Whole, ...]


class DeltaCold:
    """As ``Cold``; one process writes, any number read. Safe from several threads."""

    by_the_minute = True

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self._lake = Lake(url, options)
        self._lists: dict[bytes, EntityIds] = {}
        self._known: set[bytes] | None = None
        self._lock = threading.Lock()
        self._last: tuple[str, list[tuple[Commit, _Entries]]] | None = None
        self._touched: set[str] = set()

    def write(self, name: str, commits: Sequence[Commit]) -> None:
        """As ``Cold``; raises ConfigError where the tables hold another log's commits."""
        last = commits[-1].position
        reached = self._lake.reached(_LOG)
        self._check(commits, reached)
        types = {part.type for commit in commits for part in commit.batch.parts}
        sorting = Sorting(commits, {type_: self._lake.schema(_table(type_)) for type_ in types})
        self._keep_lists(sorting.shared, last)
        for type_ in sorted(sorting.placed):
            table = _table(type_)
            rows = sorting.table(type_, self._lake.reached(table))
            if rows is not None:
                self._lake.append(table, rows, last, type_)
        told = [
            (commit, entries)
            for commit, entries in zip(commits, sorting.entries, strict=True)
            if commit.position > reached
        ]
        if told:
            self._lake.append(_LOG, _log_rows(told), last, "commits")

    def _check(self, commits: Sequence[Commit], reached: int) -> None:
        """That the tables are this log's, and whole up to where the commits begin."""
        first = commits[0].position
        if first > reached + 1:
            raise CorruptError(
                f"{self._lake.url} holds the log up to {reached}, not up to {first - 1}: "
                "restore its tables from a backup"
            )
        if first > 1 or reached:
            at = min(reached, commits[-1].position)
            if at >= first:
                self._compare(commits[at - first])

    def _compare(self, commit: Commit) -> None:
        found = self._bare(commit.position, commit.position)
        mine = commit.committed_at, commit.batch.source, commit.batch.run, commit.batch.sequence
        theirs = [(c.committed_at, c.batch.source, c.batch.run, c.batch.sequence) for c in found]
        if theirs != [mine]:
            raise ConfigError(
                f"{self._lake.url} holds the history of another city: "
                'name another place as history in [city], such as "s3://bucket/other"'
            )

    def _keep_lists(self, lists: Lists, last: int) -> None:
        if self._known is None:
            rows = self._lake.read(_LISTS, 0, 2**62, ["digest"])
            self._known = set(_texts(rows, "digest")) if rows is not None else set()
        fresh = {digest: ids for digest, ids in lists.items() if digest not in self._known}
        if fresh:
            columns = {
                "digest": pa.array(list(fresh), pa.binary()),
                "names": pa.array([ids.names for ids in fresh.values()], pa.list_(pa.string())),
                "position": pa.array([last] * len(fresh), pa.int64()),
            }
            self._lake.append(_LISTS, pa.table(columns), last, "lists of entity ids")
            self._known.update(fresh)

    def read(self, name: str) -> Iterator[Commit]:
        """As ``Cold``; what was begun is read to its end whatever retention does meanwhile."""
        first, last = _range(name)
        told = self._told(name)
        thin = self._lake.thinned(_LOG)
        types = {e.type for _, entries in told for e in entries if isinstance(e, Told)}
        stretches = {type_: self._stretch(type_, first, last) for type_ in types}
        lists = self._lists_of(told)
        whole_ones = [
            with_parts(commit, self._parts(commit, entries, stretches, lists, thin))
            for commit, entries in told
        ]
        return iter(whole_ones)

    def writes(self, name: str) -> Iterator[Commit]:
        """As ``Cold``; commits of the API alone are read."""
        found = self._bare(*_range(name), source=API_SOURCE, run=API_RUN)
        return (commit for commit in found if commit.batch.writes)

    def parts(self, name: str, type_: str) -> list[Part]:
        """As ``Cold``; whoever asks for the next type finds the commits read."""
        last = self._last
        if last is None or last[0] != name:
            last = self._last = name, self._told(name)
        told = [(commit, _of_type(entries, type_)) for commit, entries in last[1]]
        lists, thin = self._lists_of(told), self._lake.thinned(_LOG)
        stretches = {type_: self._stretch(type_, *_range(name))}
        return [
            part
            for commit, entries in told
            for part in self._parts(commit, entries, stretches, lists, thin)
            if part.type == type_
        ]

    def _parts(
        self,
        commit: Commit,
        entries: Sequence[Told | Whole | None],
        stretches: Mapping[str, Stretch | None],
        lists: Lists,
        thin: int,
    ) -> Iterator[Part]:
        """The parts of a commit; raises CorruptError where rows are missing that no rule took."""
        for number, entry in enumerate(entries):
            found = 0
            part: Part | None = None
            if isinstance(entry, Whole):
                part = read_whole(entry)
            elif entry is not None:
                stretch = stretches[entry.type] or Stretch(_NO_ROWS)
                part, found = stretch.part(commit.position, number, entry, lists)
                if found != entry.rows and commit.position > thin:
                    raise CorruptError(
                        f"{self._lake.url}/{_table(entry.type)} has {found} rows of position "
                        f"{commit.position}, not {entry.rows}; restore it from a backup"
                    )
            if part is not None:
                yield part

    def _stretch(self, type_: str, first: int, last: int) -> Stretch | None:
        rows = self._lake.read(_table(type_), first, last)
        return Stretch(rows) if rows is not None and rows.num_rows else None

    def _told(self, name: str) -> list[tuple[Commit, _Entries]]:
        """The commits of a chunk, bare, and how they are made up."""
        first, last = _range(name)
        rows = self._lake.read(_LOG, first, last)
        if rows is None or rows.num_rows != last - first + 1:
            found = 0 if rows is None else rows.num_rows
            raise CorruptError(
                f"{self._lake.url}/{_LOG} has {found} commits from {first} to {last}; "
                "restore it from a backup"
            )
        rows = rows.sort_by("position")
        entries = [read_entries(body) for body in _texts(rows, "parts")]
        return list(zip(_bare_commits(rows), entries, strict=True))

    def _bare(self, first: int, last: int, **equal: str) -> list[Commit]:
        rows = self._lake.read(_LOG, first, last, _BARE, **equal)
        return [] if rows is None else _bare_commits(rows.sort_by("position"))

    def _lists_of(self, told: Sequence[tuple[Commit, Sequence[Told | Whole | None]]]) -> Lists:
        wanted = {e.ids for _, entries in told for e in entries if isinstance(e, Told) and e.ids}
        if wanted - self._lists.keys():
            rows = self._lake.read(_LISTS, 0, 2**62)
            found = rows.select(["digest", "names"]).to_pylist() if rows is not None else ()
            with self._lock:
                for row in found:
                    self._lists.setdefault(row["digest"], EntityIds(row["names"]))
        if missing := wanted - self._lists.keys():
            raise CorruptError(f"{self._lake.url}/{_LISTS} lacks {len(missing)} lists of ids")
        return self._lists

    def newest(self, names: Sequence[str]) -> Mapping[str, WallTime]:
        """As ``Cold``; one look at all of them."""
        ranges = [_range(name) for name in names]
        first, last = min(low for low, _ in ranges), max(high for _, high in ranges)
        rows = self._lake.read(_LOG, first, last, ["position", "committedAt"])
        if rows is None:
            return dict.fromkeys(names, WallTime(0))
        times = _committed(rows)
        return {
            name: WallTime(int(times[low - first : high - first + 1].max()))
            for name, (low, high) in zip(names, ranges, strict=True)
        }

    def size(self, name: str) -> int:
        """Nothing: a type after the other is rewritten, and its rows are few bytes each."""
        return 0

    def thin(self, names: Sequence[str], name: str, keeps: Keeps, now: WallTime) -> list[Span]:
        """As ``Cold``: rows are put in place of rows, a table after the other."""
        first, last = _range(name)
        log = self._lake.read(_LOG, first, last)
        if log is None:
            raise CorruptError(f"{self._lake.url}/{_LOG} is gone; restore it from a backup")
        log = log.sort_by("position")
        committed = _committed(log)
        entries = [read_entries(body) for body in _texts(log, "parts")]
        types = {e.type for made in entries for e in made if isinstance(e, Told) and e.rows}
        spans = []
        for type_ in sorted(types):
            rows = self._lake.read(_table(type_), first, last)
            if rows is not None and rows.num_rows:
                ages = now - committed[rows["position"].to_numpy() - first]
                left = in_order(rows.filter(pa.array(_stay(rows, keeps.get(type_), ages))))
                if left.num_rows < rows.num_rows:
                    self._lake.thin(_LOG, last)
                self._lake.replace(_table(type_), left, first, last)
                self._touched.add(_table(type_))
                spans += _spans(left, type_, first)
        self._lake.replace(_LOG, _thinned_log(log, entries, keeps, now), first, last)
        self._touched.add(_LOG)
        return spans

    def settle(self, recorded: Container[str], done: Position) -> None:
        """Remove the files that others have taken the place of, an hour after."""
        while self._touched:
            self._lake.sweep(next(iter(self._touched)))
            self._touched.pop()

    def bytes(self, types: Sequence[str]) -> int:
        """What the tables of some types and of the log hold."""
        return sum(map(self._lake.bytes, [_LOG, _LISTS, *map(_table, types)]))


def _table(type_: str) -> str:
    """Where the table of a type lies: its name, in letters that no storage or reader changes."""
    return "types/" + re.sub(r"[^A-Za-z0-9-]", lambda odd: f"_{ord(odd[0]):x}_", type_)


def _range(name: str) -> tuple[int, int]:
    first, _, last = name.partition(".")[0].partition("-")
    return int(first), int(last)


_NO_ROWS = pa.table(
    {
        "id": pa.array([], pa.string()),
        "observedAt": pa.array([], TIME),
        "position": pa.array([], pa.int64()),
        "place": pa.array([], pa.int64()),
    }
)


def _texts(rows: pa.Table, name: str) -> list[bytes]:
    """A column of bytes that every row has."""
    found: list[Any] = rows[name].to_pylist()
    return found


def _log_rows(told: Sequence[tuple[Commit, _Entries]]) -> pa.Table:
    commits = [commit for commit, _ in told]
    times = np.array([commit.committed_at for commit in commits], np.int64)
    entries = pa.array([write_entries(made) for _, made in told], pa.binary())
    rest = pa.array([_rest(commit.batch) for commit in commits], pa.binary())
    return pa.table(
        {
            "position": pa.array([commit.position for commit in commits], pa.int64()),
            "committedAt": pa.array(times * 1000).cast(TIME),
            "source": pa.array([commit.batch.source for commit in commits], pa.string()),
            "run": pa.array([commit.batch.run for commit in commits], pa.string()),
            "sequence": pa.array([commit.batch.sequence for commit in commits], pa.int64()),
            "parts": entries,
            "rest": rest,
            "day": pa.array((times // _DAY_MS).astype(np.int32)).cast(pa.date32()),
        }
    )


def _rest(batch: Batch) -> bytes | None:
    """What of a batch is not columnar."""
    if not (batch.changes or batch.writes):
        return None
    return write_batch(replace(batch, frames=(), rows=()))


def _bare_commits(rows: pa.Table) -> list[Commit]:
    commits = []
    times = rows["committedAt"].cast(pa.int64()).to_numpy() // 1000
    columns = (rows[name].to_pylist() for name in ("position", "source", "run", "sequence", "rest"))
    for position, source, run, sequence, rest, at in zip(*columns, times.tolist(), strict=True):
        batch = read_batch(rest, {}) if rest else Batch(source, run, sequence)
        commits.append(Commit(Position(position), WallTime(at), batch))
    return commits


def _committed(rows: pa.Table) -> Ints:
    """When each commit was made [ms], in order of position."""
    times: Ints = rows.sort_by("position")["committedAt"].cast(pa.int64()).to_numpy() // 1000
    return times


def _of_type(entries: _Entries, type_: str) -> tuple[Told | Whole | None, ...]:
    """Entries less those of other types, each in its place."""
    return tuple(e if isinstance(e, Whole) or e.type == type_ else None for e in entries)


def _stay(rows: pa.Table, keep: Keep | None, ages: Ints) -> Bools:
    """Which rows a rule leaves: all that are young, then the first of each entity and span."""
    if keep is None:
        return np.ones(len(ages), np.bool_)
    stay = ages < keep.raw_ms
    middle = np.flatnonzero(~stay & (ages < keep.kept_ms))
    if keep.every_s is None:
        stay[middle] = True
        return stay
    times = rows["observedAt"].cast(pa.int64()).to_numpy()[middle] // 1000
    keys = [rows[name].to_numpy()[middle] for name in ("place", "position")]
    keys.append(times // round(keep.every_s * 1000))
    for name in ("id", "run"):
        codes: Ints = pc.rank(rows[name], tiebreaker="dense").to_numpy()
        keys.append(codes[middle])
    order = np.lexsort(keys)
    fresh = np.ones(len(order), np.bool_)
    told = np.stack([key[order] for key in keys[2:]])
    fresh[1:] = (np.diff(told) != 0).any(axis=0)
    stay[middle[order[fresh]]] = True
    return stay


def _spans(rows: pa.Table, type_: str, first: int) -> list[Span]:
    times = rows.append_column("at", pc.divide(rows["observedAt"].cast(pa.int64()), 1000))
    found = times.group_by("run").aggregate([("at", "min"), ("at", "max")]).to_pylist()
    return [Span(type_, row["run"], first, row["at_min"], row["at_max"]) for row in found]


def _thinned_log(
    log: pa.Table, entries: Sequence[_Entries], keeps: Keeps, now: WallTime
) -> pa.Table:
    """The commits with what the rules leave of what is not columnar."""
    left = []
    for commit, made in zip(_bare_commits(log), entries, strict=True):
        kept = tuple(_left_of(e, commit, keeps, now) if isinstance(e, Whole) else e for e in made)
        (bare,) = thinned(iter([commit]), keeps, now) if commit.batch.changes else (commit,)
        left.append((bare, kept))
    return _log_rows(left)


def _left_of(entry: Whole, commit: Commit, keeps: Keeps, now: WallTime) -> Whole:
    part = read_whole(entry)
    if part is None:
        return entry
    (left,) = thinned(iter([with_parts(commit, [part])]), keeps, now)
    return whole(left.batch.parts[0]) if left.batch.parts else Whole(b"", ())
