"""Flight control of rotorcraft, batched: mixers, controllers, trajectories and action types.

From the outside in: `FlightControl` (actions in [-1, 1]) uses a `Geometric`, `Mellinger`, `DSLPID`,
`Attitude` or `Rates` controller; those use gains that `gains.derive` finds for the airframe, and a
`Mixer`. Every formula is written once for numpy and torch arrays, and once more for numba in
`compiled.py`, which takes over for numpy arrays of float64: a single drone's step costs
microseconds.
"""
