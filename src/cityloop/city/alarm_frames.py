"""Alarms and shift entries between the log's frames, what the hub holds and what people read."""

from typing import Any

import msgspec

from cityloop.city.surface_alarms import AlarmRow, ShiftRow
from cityloop.kernel.clock import CityTime, WallTime, iso
from cityloop.kernel.frame import EntityIds, Frame, frame
from cityloop.reaction.alarms import Alarm, Event
from cityloop.reaction.shift_log import Entry

ALARM_EVENT, SHIFT_ENTRY = "AlarmEvent", "ShiftEntry"


def event_frame(events: list[Event], run: str, at: CityTime) -> Frame:
    """The record of what happened to some alarms at one time."""
    rows = [_event_cells(event) for event in events]
    ids = EntityIds([f"urn:ngsi-ld:{ALARM_EVENT}:{event.number}" for event in events])
    return frame(ALARM_EVENT, run, at, ids, **{name: [r[name] for r in rows] for name in rows[0]})


def _event_cells(event: Event) -> dict[str, Any]:
    alarm = event.alarm
    return {
        "number": event.number,
        "alarm": alarm.id,
        "act": event.act,
        "by": event.by,
        "note": event.note,
        "kind": alarm.kind,
        "severity": alarm.severity,
        "group": alarm.group,
        "subject": alarm.subject,
        "junction": alarm.junction or "",
        "data": _write(alarm.data),
        "members": _write(alarm.members),
        "text": alarm.text,
        "state": alarm.state,
        "active": alarm.active,
        "raisedAt": alarm.raised_at,
        "clearedAt": alarm.cleared_at or 0,
        "askedAt": alarm.asked_at,
        "shelvedUntil": alarm.shelved_until or 0,
        "shelveReason": alarm.shelve_reason or "",
        "acknowledgedBy": alarm.acknowledged_by or "",
        "escalatedTo": alarm.escalated_to or "",
        "occurrences": alarm.occurrences,
        "known": _write(alarm.known),
        "wallAt": event.wall,
    }


def read_events(part: Frame) -> list[Event]:
    """The events of an AlarmEvent frame; ``event_frame`` of them is the same frame."""
    columns = {name: column.values.tolist() for name, column in part.columns.items()}
    return [
        _read_event({name: values[i] for name, values in columns.items()}, part.observed_at)
        for i in range(len(part))
    ]


def _read_event(cells: dict[str, Any], at: CityTime) -> Event:
    alarm = Alarm(
        id=cells["alarm"],
        kind=cells["kind"],
        severity=cells["severity"],
        group=cells["group"],
        subject=cells["subject"],
        junction=cells["junction"] or None,
        data=msgspec.json.decode(cells["data"]),
        text=cells["text"],
        members=tuple(msgspec.json.decode(cells["members"])),
        known=tuple(msgspec.json.decode(cells["known"])),
        raised_at=CityTime(cells["raisedAt"]),
        asked_at=WallTime(cells["askedAt"]),
        cleared_at=CityTime(cells["clearedAt"]) if cells["clearedAt"] else None,
        acknowledged_by=cells["acknowledgedBy"] or None,
        shelved_until=WallTime(cells["shelvedUntil"]) if cells["shelvedUntil"] else None,
        shelve_reason=cells["shelveReason"] or None,
        escalated_to=cells["escalatedTo"] or None,
        occurrences=cells["occurrences"],
    )
    wall = WallTime(cells["wallAt"])
    return Event(cells["number"], cells["act"], alarm, at, wall, cells["by"], cells["note"])


def alarm_row(event: Event) -> AlarmRow:
    """What people read of an alarm after an event."""
    alarm = event.alarm
    return AlarmRow(
        number=event.number,
        id=alarm.id,
        kind=alarm.kind,
        severity=alarm.severity,
        group=alarm.group,
        subject=alarm.subject,
        junction=alarm.junction,
        data=alarm.data,
        text=alarm.text,
        raised_at=iso(alarm.raised_at),
        cleared_at=iso(alarm.cleared_at) if alarm.cleared_at is not None else None,
        recorded_at=iso(event.wall),
        state=alarm.state,
        acknowledged_by=alarm.acknowledged_by,
        shelved_until=iso(alarm.shelved_until) if alarm.shelved_until is not None else None,
        shelve_reason=alarm.shelve_reason,
        escalated_to=alarm.escalated_to,
        members=list(alarm.members),
        count=len(alarm.members),
        occurrences=alarm.occurrences,
    )


def alarm_rows(part: Frame) -> list[AlarmRow]:
    """The rows of an AlarmEvent frame."""
    return [alarm_row(event) for event in read_events(part)]


def entry_frame(entry: Entry, run: str) -> Frame:
    """The record of an entry of the shift log."""
    return frame(
        SHIFT_ENTRY,
        run,
        entry.at,
        EntityIds([f"urn:ngsi-ld:{SHIFT_ENTRY}:{entry.number}"]),
        number=[entry.number],
        by=[entry.by],
        kind=[entry.kind],
        text=[entry.text],
        data=[_write(entry.data)],
        wallAt=[entry.wall],
    )


def read_entries(part: Frame) -> list[Entry]:
    """The entries of a ShiftEntry frame."""
    columns = [part[name].tolist() for name in ("number", "wallAt", "by", "kind", "text", "data")]
    return [
        Entry(number, part.observed_at, WallTime(wall), by, kind, text, msgspec.json.decode(data))
        for number, wall, by, kind, text, data in zip(*columns, strict=True)
    ]


def shift_row(entry: Entry) -> ShiftRow:
    """What people read of an entry."""
    return ShiftRow(
        number=entry.number,
        at=iso(entry.at),
        recorded_at=iso(entry.wall),
        by=entry.by,
        kind=entry.kind,
        text=entry.text,
        data=entry.data,
    )


def shift_rows(part: Frame) -> list[ShiftRow]:
    """The rows of a ShiftEntry frame."""
    return [shift_row(entry) for entry in read_entries(part)]


def _write(value: object) -> str:
    return msgspec.json.encode(value).decode()
