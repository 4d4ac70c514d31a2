"""The kinds of sources: one file each, and the union of their settings for ``city.toml``."""

from typing import TypeAlias

from cityloop.perception.sources.mqtt import MqttSettings
from cityloop.perception.sources.push import PushSettings

AnySource: TypeAlias = MqttSettings | PushSettings
"""``[sources.NAME]``, by its ``kind``. A new kind adds its settings here, and nothing else."""
