"""Deterministic simulation: the real engine, lease logic, protocol and user code on a simulated clock, broker,
store and scheduler, driven by one seed, in one thread. `runner` is where to begin."""
