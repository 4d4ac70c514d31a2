"""Max-pressure: give green to the phase whose links have most to send and room to send it to.

Source: Varaiya, "Max pressure control of a network of signalized intersections", Transportation
Research C 36 (2013). It is the textbook's form, for baselines; ``platoons`` is what the loop uses.
"""

import numpy as np
import numpy.typing as npt

from cityloop.kernel.frame import Bools

Floats = npt.NDArray[np.float64]


def link_pressures(green: Bools, incoming: Floats, outgoing: Floats) -> Floats:
    """Σ over the phase's green links of vehicles before minus vehicles behind. Shape (J, P).

    ``green``: (J, P, L). ``incoming``, ``outgoing``: (J, L), vehicles on the lanes a link joins.
    """
    return np.asarray(np.einsum("jpl,jl->jp", green, incoming - outgoing))
