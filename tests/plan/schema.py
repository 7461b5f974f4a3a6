import json
import sys

import jsonschema

asked = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(asked["schema"])
validator = jsonschema.Draft202012Validator(asked["schema"])
json.dump([[error.json_path + ": " + error.message for error in validator.iter_errors(document)] for document in asked["documents"]], sys.stdout)
