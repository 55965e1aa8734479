"""The conformance suite: anybody's server, in a world that the suite owns, judged by the proved rules."""
