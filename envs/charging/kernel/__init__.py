"""Many cells at once: PyBaMM's discretised equations, compiled.

One module a step: ``lower`` (PyBaMM -> graph), ``emit``, ``lu``, ``rosenbrock`` and ``source`` (graph -> C), ``compile``
(C -> library, cached), ``run`` (library -> arrays), ``twin`` (the contract of ``envs/core.py``), ``engine`` (which engine
runs a cell).
"""
