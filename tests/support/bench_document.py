"""What a `bench.json` says of the machine and the sizes, before any measured part."""

DOCUMENT = {
    "date": "2026-11-25",
    "machine": {
        "processor": "An Abacus",
        "threads": 1,
        "cores": 2,
        "memory_gb": 1,
        "python": "3.11",
        "libraries": {},
    },
    "sizes": {"vocabulary": 9, "embedding": 4, "units": 2, "max_len": 5},
    "corpus": "drawn rows",
}
