"""The reference crystal that relaxations begin with."""
