"""Reads YAML texts with PyYAML, which follows YAML 1.1: each as JSON, or why it is refused."""
import json
import sys

import yaml


def plain(value):
    """The value as JSON has it; what JSON has no word for by its name."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return repr(value)


answers = []
for text in json.load(sys.stdin):
    try:
        answers.append({"value": plain(yaml.safe_load(text))})
    except Exception as error:  # Any of them is an answer.
        answers.append({"refused": str(error)})
json.dump(answers, sys.stdout)
