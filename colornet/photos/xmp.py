"""XMP: a packet of XML with what a photo says of itself, and what was done to it."""

from xml.dom import minidom
from xml.sax.saxutils import escape, quoteattr

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
NAMES = dict(
    tiff="http://ns.adobe.com/tiff/1.0/",
    exif="http://ns.adobe.com/exif/1.0/",
    xmp="http://ns.adobe.com/xap/1.0/",
    xmpNote="http://ns.adobe.com/xmp/note/",
    xmpMM="http://ns.adobe.com/xap/1.0/mm/",
    stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
)
# Of the pixels as they lay in the file, and pictures of them without colours.
UNTRUE = ["tiff:Orientation", "tiff:ImageWidth", "tiff:ImageLength"]
UNTRUE += ["exif:PixelXDimension", "exif:PixelYDimension", "xmp:Thumbnails"]
EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'
BEGIN, END = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n', '\n<?xpacket end="w"?>'


def _parsed(packet):
    """The document of a packet and its element of RDF.

    Raises:
        Exception: no packet of XMP, or one that declares entities.
    """
    if b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        raise ValueError("a packet of XMP declares nothing")
    document = minidom.parseString(packet)
    return document, document.getElementsByTagNameNS(RDF, "RDF")[0]


def _descriptions(rdf):
    return [
        node
        for node in rdf.childNodes
        if node.nodeType == node.ELEMENT_NODE and node.localName == "Description"
    ]


def _elements(node, name):
    prefix, local = name.split(":")
    return [
        child
        for child in node.childNodes
        if child.nodeType == child.ELEMENT_NODE
        and (child.namespaceURI, child.localName) == (NAMES[prefix], local)
    ]


def _drop(rdf, name):
    """Takes a property out; whether it was there."""
    prefix, local = name.split(":")
    there = False
    for node in _descriptions(rdf):
        if node.hasAttributeNS(NAMES[prefix], local):
            node.removeAttributeNS(NAMES[prefix], local)
            there = True
        for child in _elements(node, name):
            node.removeChild(child)
            there = True
    return there


def _new(document, xml):
    """An element from its text, in the names of `NAMES` and of RDF."""
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMES.items())
    parsed = minidom.parseString(f'<x {spaces} xmlns:rdf="{RDF}">{xml}</x>')
    return document.importNode(parsed.documentElement.firstChild, True)


def _declared(*prefixes):
    return " ".join(f'xmlns:{prefix}="{NAMES[prefix]}"' for prefix in prefixes)


def _add_event(document, rdf, event):
    """Adds an entry to the history, which is begun where there is none."""
    fields = "".join(f"<stEvt:{k}>{escape(v)}</stEvt:{k}>" for k, v in event.items())
    line = f'<rdf:li rdf:parseType="Resource" {_declared("stEvt")}>{fields}</rdf:li>'
    for node in _descriptions(rdf):
        for history in _elements(node, "xmpMM:History"):
            for steps in history.getElementsByTagNameNS(RDF, "Seq"):
                entry = _new(document, line)
                entry.setAttribute("xmlns:rdf", RDF)
                steps.appendChild(entry)
                return ""
    return f"<xmpMM:History><rdf:Seq>{line}</rdf:Seq></xmpMM:History>"


def _put(document, rdf, properties, event):
    """Gives properties their values, text by name, and the history an entry, `stEvt` by name."""
    for name in properties:
        _drop(rdf, name)
    named = (node.getAttributeNS(RDF, "about") for node in _descriptions(rdf))
    about = next(filter(None, named), "")
    body = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in properties.items())
    body += _add_event(document, rdf, event)
    spaces = _declared("xmpMM", "Iptc4xmpExt")
    xml = f"<rdf:Description rdf:about={quoteattr(about)} {spaces}>{body}</rdf:Description>"
    node = _new(document, xml)
    node.setAttribute("xmlns:rdf", RDF)
    rdf.appendChild(node)


def _clear(rdf):
    """Takes out descriptions that describe nothing any more."""
    for node in _descriptions(rdf):
        names = [name for name in node.attributes.keys() if not name.startswith("xmlns")]
        if not node.childNodes and set(names) <= {"rdf:about"}:
            rdf.removeChild(node)


def renewed(
    packet: bytes | None, properties: dict | None = None, event: dict | None = None
) -> tuple:
    """A packet without what was true of the file alone, with new properties and one event more.

    Args:
        packet: bytes, or None.
        properties: text by name, such as "xmpMM:InstanceID"; or None.
        event: the fields of an entry of xmpMM:History, text by name.

    Returns:
        A packet as bytes, the very same where nothing was to be changed; or None. And whether
        `packet` could not be read: it is left as it is, or, with properties, begun anew.
    """
    damaged = False
    try:
        document, rdf = _parsed(packet or EMPTY.encode())
    except Exception:  # expat's words, or no RDF
        if not properties:
            return packet, True
        (document, rdf), damaged = _parsed(EMPTY.encode()), True
    changed = sum(_drop(rdf, name) for name in UNTRUE)
    if properties:
        _put(document, rdf, properties, event)
    elif not changed:
        return packet, False
    _clear(rdf)
    return _packet(document), damaged


def joined(packet: bytes, more: bytes) -> bytes:
    """A packet with the properties of another one, which went on where its room ended."""
    try:
        (document, rdf), (_, others) = _parsed(packet), _parsed(more)
    except Exception:  # damaged
        return packet
    _drop(rdf, "xmpNote:HasExtendedXMP")
    for node in _descriptions(others):
        for attribute in others.attributes.values():  # names that are declared further up
            if attribute.name.startswith("xmlns") and not node.hasAttribute(attribute.name):
                node.setAttribute(attribute.name, attribute.value)
        rdf.appendChild(document.importNode(node, True))
    return _packet(document)


def _packet(document):
    return (BEGIN + document.documentElement.toxml() + END).encode()


def value(packet: bytes, name: str) -> str | None:
    """A property's text, or None: also where the packet cannot be read."""
    prefix, local = name.split(":")
    try:
        _, rdf = _parsed(packet)
    except Exception:
        return None
    for node in _descriptions(rdf):
        if node.hasAttributeNS(NAMES[prefix], local):
            return node.getAttributeNS(NAMES[prefix], local)
        for child in _elements(node, name):
            return "".join(part.data for part in child.childNodes if part.nodeType == 3)
    return None
