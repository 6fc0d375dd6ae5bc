"""A store in a box: simulated hardware, the demo, chaos. Imports everything; nothing imports it."""
