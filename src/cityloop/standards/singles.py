"""Observations that come one by one, each with its own unit, gathered into columns."""

from cityloop.kernel.clock import CityTime
from cityloop.standards.attributes import declared
from cityloop.standards.readings import Faults, Readings, readings_of

_Cells = tuple[list[str], list[CityTime], list[object]]


class Singles:
    """Gathers single observations; one part per type, attribute and unit, since a column has one
    unit and a device that speaks of one attribute says nothing of the others."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str, str], _Cells] = {}

    def add(
        self, type_: str, attribute: str, unit: str, entity: str, at: CityTime, value: object
    ) -> None:
        """One observation. ``unit``: symbol or code; empty for the declared one."""
        entities, times, values = self._cells.setdefault((type_, attribute, unit), ([], [], []))
        entities.append(entity)
        times.append(at)
        values.append(value)

    def readings(self, faults: Faults, place: str) -> list[Readings]:
        """All of them; what does not fit the declared types is a fault at ``place``."""
        parts = []
        for (type_, attribute, unit), (entities, times, values) in self._cells.items():
            table = declared().get(type_)
            if table is None:
                faults.add(place, f"undeclared type {type_}")
                continue
            cells, units = {attribute: values}, {attribute: unit}
            parts.append(
                readings_of(table, type_, entities, times, cells, faults, units=units, place=place)
            )
        return parts
