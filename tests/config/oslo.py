"""Reads INI files as oslo.config does: from each case a list of texts and of options, to each option's values."""
import json
import os
import sys
import tempfile

from oslo_config import cfg

MISSING = object()


def read(paths, options, kind):
    conf = cfg.ConfigOpts()
    for section, key in options:
        conf.register_opt(kind(key), group=None if section == "DEFAULT" else section)
    conf(args=[word for path in paths for word in ("--config-file", path)], project="x", prog="x",
         default_config_files=[], default_config_dirs=[])
    values = []
    for section, key in options:
        group = conf if section == "DEFAULT" else conf[section]
        values.append(group[key])
    return values


answers = []
with tempfile.TemporaryDirectory() as folder:
    for case in json.load(sys.stdin):
        paths = []
        for index, text in enumerate(case["texts"]):
            path = os.path.join(folder, f"{index}.conf")
            with open(path, "w", newline="") as file:
                file.write(text)
            paths.append(path)
        try:
            answers.append({
                "one": read(paths, case["options"], cfg.StrOpt),
                "all": read(paths, case["options"], cfg.MultiStrOpt),
            })
        except cfg.ConfigFileParseError as error:
            answers.append({"refused": str(error)})
        except cfg.ConfigFileValueError as error:
            answers.append({"value": str(error)})
json.dump(answers, sys.stdout)
