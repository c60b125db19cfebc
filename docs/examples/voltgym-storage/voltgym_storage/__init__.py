"""Home storage for voltgym: an environment, an agent, a surrogate, a cell and a launcher, in a package of their own."""
