"""The public identity, and how the kernel ends it: guards, and what of Linux lies below them."""
