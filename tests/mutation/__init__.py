"""Mutation testing: each line of the core is broken in small ways, one at a time,
and the tests must notice."""
