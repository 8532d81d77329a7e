"""docs/test-api.json, made from the table of routes that it describes.

python scripts/api_document.py
"""

from __future__ import annotations

import json
from pathlib import Path

from amqpbroker.testing.api_routes import routes
from amqpbroker.testing.api_table import openapi

PAGE = Path(__file__).parent.parent / "docs" / "test-api.json"

if __name__ == "__main__":
    PAGE.write_text(json.dumps(openapi(routes()), indent=1) + "\n", encoding="utf-8")
