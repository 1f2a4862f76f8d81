"""The API for people to read, from its OpenAPI description: a page that asks no other host."""

from html import escape

HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>colornet: API</title>
<link rel="stylesheet" href="style.css"><main><h1>colornet: API</h1>
<p>Forms are multipart/form-data; errors are <code>{"error": "one sentence"}</code>. For programs:
<a href="openapi.json">openapi.json</a>.</p>"""


def page(described):
    """HTML of an OpenAPI description."""
    parts = [HEAD]
    for path, methods in described["paths"].items():
        for method, of in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(of.get('description', ''))}</p>")
    parts.append("<h2>Settings</h2>")
    for name, of in described["components"]["schemas"].items():
        if name.endswith("Form"):
            parts.append(f"<h3>{escape(name)}</h3><dl>")
            for field, about in of["properties"].items():
                about = {key: value for key, value in about.items() if key != "title"}
                parts.append(f"<dt><code>{escape(field)}</code></dt><dd>{escape(str(about))}</dd>")
            parts.append("</dl>")
    return "\n".join([*parts, "</main></html>"])
