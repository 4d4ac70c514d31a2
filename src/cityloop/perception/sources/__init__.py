"""The kinds of sources: one file each, and the union of their settings for ``city.toml``."""

from typing import TypeAlias

from cityloop.perception.sources.files import FilesSettings
from cityloop.perception.sources.modbus import ModbusSettings
from cityloop.perception.sources.mqtt import MqttSettings
from cityloop.perception.sources.nats import NatsSettings
from cityloop.perception.sources.opcua import OpcUaSettings
from cityloop.perception.sources.poll import PollSettings
from cityloop.perception.sources.push import PushSettings
from cityloop.perception.sources.replay import ReplaySettings

AnySource: TypeAlias = (
    MqttSettings
    | PushSettings
    | PollSettings
    | FilesSettings
    | ReplaySettings
    | OpcUaSettings
    | ModbusSettings
    | NatsSettings
)
"""``[sources.NAME]``, by its ``kind``. A new kind adds its settings here, and nothing else."""
