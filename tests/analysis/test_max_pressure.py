import numpy as np

from cityloop.analysis.max_pressure import link_pressures


def test_the_textbook_pressure_is_vehicles_before_less_vehicles_behind() -> None:
    green = np.array([[[True, True, False], [False, False, True]]])
    pressure = link_pressures(green, np.array([[5.0, 3.0, 4.0]]), np.array([[1.0, 0.0, 6.0]]))
    assert pressure.tolist() == [[7.0, -2.0]]
