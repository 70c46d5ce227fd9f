"""What reading MuJoCo's worlds costs too much as array operations, as a compiled loop over them."""

# pyright: reportIndexIssue=false
# (numba's decorator hides the types)

from __future__ import annotations

from typing import Any

from numba import float64, int64, njit, types, void

_READ = types.Array(float64, 3, "A", readonly=True)
_SIGNATURE: Any = void(_READ, _READ, _READ, int64, int64, int64, float64[:, ::1])


@njit(_SIGNATURE, cache=True, error_model="numpy", nogil=True)
def velocity_at(cvel, points, centers, body, point, root, out):
    """Linear and angular velocity into `out` (N, 6): of `body`, at one of `points` (N, P, 3).

    `cvel` (N, B, 6) is (angular, linear) at `centers` (N, B, 3)[:, root], the centre of mass of the
    body's kinematic tree.
    """
    for n in range(len(out)):
        a, b, c = cvel[n, body, 0], cvel[n, body, 1], cvel[n, body, 2]
        x = points[n, point, 0] - centers[n, root, 0]
        y = points[n, point, 1] - centers[n, root, 1]
        z = points[n, point, 2] - centers[n, root, 2]
        out[n, 0] = cvel[n, body, 3] + (b * z - c * y)
        out[n, 1] = cvel[n, body, 4] + (c * x - a * z)
        out[n, 2] = cvel[n, body, 5] + (a * y - b * x)
        out[n, 3], out[n, 4], out[n, 5] = a, b, c
