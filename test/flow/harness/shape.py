"""What a JSON document has, whatever its values: doc/json.md tells it of each command."""

# Members whose own members depend on what is told, or on what somebody else wrote.
OPEN = {"detail", "payload", "body", "source", "milliseconds", "reasons"}


def merged(one, other):
    """What both tell of one shape: null, a value, a list of one shape, or members."""
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: merged(one.get(name), other.get(name)) for name in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        both = one + other
        shape = None
        for each in both:
            shape = merged(shape, each)
        return [shape] if both else []
    return one


def shape_of(value):
    if isinstance(value, dict):
        return {name: shape_of(member) for name, member in value.items()}
    if isinstance(value, list):
        return merged([], [shape_of(each) for each in value])
    return None if value is None else ""


def written(shape):
    """`{id, items: [{id, version}], detail: {...}}`"""
    if isinstance(shape, dict):
        return "{" + ", ".join(name + member(name, shape[name]) for name in shape) + "}"
    if isinstance(shape, list):
        return f"[{written(shape[0]) if shape else ''}]".replace("[]", "[...]")
    return ""


def member(name, shape):
    if name in OPEN:
        return ": {...}"
    return f": {written(shape)}" if isinstance(shape, (dict, list)) else ""
