"""Tables that the molecule design space reads."""
