"""Where the jobs of a sweep run: on this machine, on a Slurm cluster, on a Ray cluster; one file and one YAML each.

A launcher is what Hydra takes for one: ``setup`` and ``launch``. Ours start every job as a process of its own, so one
that crashes, runs out of memory or is killed takes nobody with it.
"""
