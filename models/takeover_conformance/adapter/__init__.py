"""The adapter: a process of somebody's, the lines it speaks, and its manners."""
