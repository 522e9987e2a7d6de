"""How batches are written: the entries that Schemathesis makes, in each of the forms that the API takes.

To JSON Schema a body of lines or of CSV is text. Here both get the schema of what stands in them, so that cases are about
entries, and become text when they are sent.
"""

import csv
import gzip
import io
import json
import re
import zlib

import schemathesis
from schemathesis.core.jsonschema import make_validator_for
from schemathesis.core.parameters import ParameterLocation

NDJSON = "application/x-ndjson"
CSV = "text/csv"

# The fields that are numbers, wherever they stand.
NUMBERS = ("pricePerUnitUsd", "units", "amount", "inferenceExecutionTime", "promptTokens", "completionTokens")

# "The texts of an entry have 4096 bytes of UTF-8 at most": the document says the number as the limit of each.
max_text_bytes = None

# Whether rows of text are a batch, and the columns that they need.
csv_validator, csv_columns = None, ()


def describe(document):
    """Gives the bodies that are text the schema of what they hold, and their examples too."""
    global csv_columns, csv_validator, max_text_bytes
    schemas = document["components"]["schemas"]
    max_text_bytes = schemas["NewEntry"]["properties"]["notes"]["maxLength"]
    forms = document["paths"]["/api/v1/billing/usage"]["post"]["requestBody"]["content"]
    lines, rows = forms[NDJSON]["example"], forms[CSV]["example"]
    forms[NDJSON] = {
        "schema": forms["application/json"]["schema"],
        "example": [json.loads(line) for line in lines.splitlines()],
    }
    schema = {"type": "array", "items": csv_row(schemas)}
    csv_validator, csv_columns = make_validator_for(schema), schema["items"]["required"]
    forms[CSV] = {"schema": schema, "example": list(csv.DictReader(io.StringIO(rows)))}


def csv_row(schemas):
    """An entry as a row: all fields side by side, each a text, those that may be null may be empty."""
    entry, details = schemas["NewEntry"], schemas["NewInferenceDetails"]["properties"]
    text = {"type": "string", "maxLength": max_text_bytes}

    def cell(field):
        if field.get("type") == "string":
            return field
        references = [form["$ref"] for form in [field, *field.get("anyOf", [])] if "$ref" in form]
        if not references:
            return text
        forms = schemas[references[0].rpartition("/")[2]]["anyOf"]
        number = next(form for form in forms if form["type"] == "string")
        return number if "$ref" in field else number | {"pattern": f"^$|{number['pattern']}"}

    columns = {name: cell(field) for name, field in entry["properties"].items() if name != "inferenceDetails"}
    columns |= {f"inferenceDetails.{name}": cell(field) for name, field in details.items()}
    return {"type": "object", "properties": columns, "required": entry["required"]}


@schemathesis.serializer(NDJSON)
def write_lines(context, value):
    entries = value if isinstance(value, list) else [value]
    lines = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
    return gzip.compress(lines) if context.case.headers.get("Content-Encoding") == "gzip" else lines


def compress(case):
    """Has half of the bodies of lines compressed."""
    if case.media_type == NDJSON and zlib.crc32(repr(case.body).encode()) % 2 and "Content-Encoding" not in case.headers:
        case.headers["Content-Encoding"] = "gzip"


@schemathesis.serializer(CSV)
def write_rows(context, value):
    return csv_text(value).encode()


def csv_text(value):
    if not isinstance(value, list):
        return json.dumps(value)
    columns = dict.fromkeys(name for row in value if isinstance(row, dict) for name in row)
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(columns or csv_columns)
    for row in value:
        cells = [row.get(name, "") for name in columns] if isinstance(row, dict) else [row]
        writer.writerow(cell if isinstance(cell, str) else json.dumps(cell) for cell in cells)
    return out.getvalue()


def is_good_in_csv(case):
    """Whether a wrong batch of this case is a good one as soon as it is CSV."""
    if case.media_type != CSV or not isinstance(case.body, list):
        return False
    rows = list(csv.DictReader(io.StringIO(csv_text(case.body), newline="")))
    return csv_validator.is_valid(rows)


def texts_fit(entries):
    """Whether the texts of each entry are short enough, all together."""
    return not isinstance(entries, list) or all(text_bytes(entry) <= max_text_bytes for entry in entries)


def text_bytes(entry):
    details = entry.get("inferenceDetails") or {}
    texts = [entry.get(name) for name in ("sku", "notes", "currency", "apiKeyId", "inferenceDetails.requestId")]
    texts.append(details.get("requestId") if isinstance(details, dict) else None)
    return sum(len(text.encode()) for text in texts if isinstance(text, str))


NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")


def keep_numbers_exact(case):
    """Brings the numbers of a good batch to where they are exact, and keeps their digits."""
    if not case.meta.is_negative_at(ParameterLocation.BODY) and isinstance(case.body, list):
        case.body = [exact_entry(entry) for entry in case.body]


def exact_entry(entry):
    def is_number(name):
        return name.removeprefix("inferenceDetails.") in NUMBERS

    exact = {name: exact_number(value, name) if is_number(name) else value for name, value in entry.items()}
    if isinstance(exact.get("inferenceDetails"), dict):
        exact["inferenceDetails"] = exact_entry(exact["inferenceDetails"])
    return exact


def exact_number(value, name):
    found = NUMBER.fullmatch(str(value))
    if not found:
        return value
    sign, whole, fraction, power = found.groups()
    digits = (whole + (fraction or "")).rstrip("0")
    places = len(whole) + int(power or 0) - len(digits)
    # Schemathesis reads answers into doubles, in which larger ones are no numbers.
    is_double = len(digits.lstrip("0")) + places <= 308
    if not digits.strip("0") or -350 <= places and is_double and int(digits) < 1 << 96:
        return value
    if name.endswith("Tokens"):
        return digits[:17] if isinstance(value, str) else int(digits[:17])
    exact = f"{sign}0.{digits[:17]}e{places % 11}"
    return exact if isinstance(value, str) else float(exact)


@schemathesis.deserializer(CSV, "text/html", "application/openmetrics-text")
def read_text(context, response):
    """Answers that are text to JSON Schema as well."""
    return response.content.decode()
