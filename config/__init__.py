"""YAML for stores: models, an annotated example, the settings as rows. `load` is the way in."""

from config.faults import ConfigError, Fault
from config.link import Hq
from config.loading import load
from config.store import Epoch, Listener, StoreConfig

__all__ = ["ConfigError", "Epoch", "Fault", "Hq", "Listener", "StoreConfig", "load"]
