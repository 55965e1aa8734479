"""The protected applications: processes that never outlive the server, their health, and what they are told."""
