"""Many cells at once: PyBaMM's discretised equations, compiled.

One module a step:

- ``lower``, ``read``, ``tables``: PyBaMM's tree -> CasADi's scalars -> a graph (``graph``, ``simplify``, ``slopes``);
- ``emit``, ``lu``, ``rosenbrock``, ``source``: graph -> C, around ``vmath.h`` and ``integrate.c``;
- ``compile``: C -> library, cached by content;
- ``run``: library -> arrays in, arrays out;
- ``twin``: the contract of ``envs/contracts.py``; ``support``: what converts, and how accurate it is.
"""
