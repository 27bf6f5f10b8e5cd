"""Does attention hold up on long sequences, where the decisive words may stand anywhere?"""
