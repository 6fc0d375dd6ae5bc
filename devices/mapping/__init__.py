"""From documents as others shape them to records: a mapping in YAML, the engine that obeys it, and the bytes before it.

    model.py      what a mapping may say, checked against the record types
    targets.py    the fields of record types that a mapping can fill
    values.py     what one value of a document is, as text, number, day or time
    engine.py     a document and a mapping to readings and what is set aside
    tickets.py    what makes a transaction whole: lines, totals, returns, the source's identity
    private.py    names whose values are never kept
    text.py       bytes to text in the encoding that they show
    documents.py  text to JSON documents, however they stand in a file; XML and forms
    alike.py      one reject for many that are alike
    decoder.py    all of that as a `Decoder`

Shipped mappings are in `devices/profiles`.
"""
