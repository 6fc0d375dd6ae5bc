"""The broker and the database that come as wheels, for a first run, for tests and for one machine.

Nothing of HQ depends on these two: a distribution's nats-server and PostgreSQL serve as well.
"""
