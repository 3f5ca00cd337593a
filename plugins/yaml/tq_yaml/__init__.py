"""The serializer `yaml`."""

from tq_yaml.serializer import YamlSerializer

__all__ = ["YamlSerializer"]
