"""YAML as people mean it: 1e-3 is a number, a date is text, and a key that stands twice is an error."""

import re
from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's floats, without dates, and without silently lost keys.

    Whatever is wrong with a text raises yaml.YAMLError.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._flat: set[int] = set()

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Raise YAMLError for a value that its tag cannot hold, such as `!!int x` and 0b_, as for any other mistake."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise yaml.constructor.ConstructorError(None, None, f"no such value: {error}", node.start_mark) from None

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Bring in what `<<` names, once; before that each key must stand once, and can be no list and no mapping."""
        if id(node) in self._flat:
            return
        self._flat.add(id(node))
        self._require_keys(node)
        super().flatten_mapping(node)

    def _require_keys(self, node: yaml.MappingNode) -> None:
        """Refuse a key that stands twice in one mapping; PyYAML keeps the last one without a word."""
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                kind = "a mapping" if isinstance(key_node, yaml.MappingNode) else "a list"
                told = f"{kind} cannot be a key; text in braces must stand in quotes, and templates be filled in"
                raise yaml.constructor.ConstructorError(None, None, told, key_node.start_mark)
            merge = key_node.tag == "tag:yaml.org,2002:merge"
            key = key_node.value if merge else self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)


# PyYAML follows YAML 1.1, which asks for a dot and a signed exponent: it reads 1e-3 as text. No number begins with 00,
# but names do: CamVid's sequence 0016E5.
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(0|[1-9][0-9]*)(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def value(text: str) -> Any:
    """Read a value as the command line gives it, KEY=VALUE; what is no YAML is text."""
    try:
        return yaml.load(text, Loader)  # nosec B506
    except yaml.YAMLError:
        return text
