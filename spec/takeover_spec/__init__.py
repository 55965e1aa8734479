"""What a server may do: the words, the actions, the rules and the properties of the takeover protocol.

Nothing here does I/O, reads a clock or draws a random number, and nothing here imports anything but the pure
parts of the standard library. Everything that judges or proves reads this one text; `PROTOCOL.md` is its prose.
"""
